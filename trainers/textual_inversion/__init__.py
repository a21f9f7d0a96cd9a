"""Textual inversion: new words, learned as vectors of the text encoder (Gal et al., 2023)."""

from studio.registry import TrainerPlugin
from trainers.textual_inversion.settings import TextualInversionSettings

plugin = TrainerPlugin(
    kind="textual_inversion",
    summary="New words for the prompt, a few vectors each; with a LoRA beside them: pivotal tuning.",
    settings=TextualInversionSettings,
    trainer_path="trainers.textual_inversion.trainer:TextualInversionTrainer",
    adapter_kinds=("textual_inversion", "pivotal"),
    starting_points={
        "pocket": {"optimizer": {"learning_rate": 1e-2}, "sampling": {"guidance_scale": 3.0}},
    },
)
