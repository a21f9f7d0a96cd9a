"""LoRA: small low-rank matrices beside the attention's own (Hu et al., 2021)."""

from studio.adapters.formats import LOW_RANK
from studio.registry import TrainerPlugin
from trainers.lora.settings import LoraSettings

plugin = TrainerPlugin(
    kind="lora",
    summary="Styles and subjects by low-rank matrices beside the base's own: the field's standard adapter.",
    settings=LoraSettings,
    trainer_path="trainers.lora.trainer:LoraTrainer",
    adapter_kinds=LOW_RANK,
    starting_points={
        "pocket": {"optimizer": {"learning_rate": 3e-4}, "sampling": {"guidance_scale": 3.0}},
    },
)
