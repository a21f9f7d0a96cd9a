"""LoRA: small low-rank matrices beside the attention's own (Hu et al., 2021)."""

from studio.registry import TrainerPlugin
from studio.training.lora.settings import VARIANTS
from trainers.lora.settings import LoraSettings

plugin = TrainerPlugin(
    kind="lora",
    summary="Low-rank matrices beside the attention's own: the field's standard adapter.",
    settings=LoraSettings,
    trainer_path="trainers.lora.trainer:LoraTrainer",
    adapter_kinds=VARIANTS,
    starting_points={
        "pocket": {"optimizer": {"learning_rate": 3e-4}, "sampling": {"guidance_scale": 3.0}},
    },
)
