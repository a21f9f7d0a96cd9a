"""DreamBooth: a subject of a few pictures, its class kept as it was (Ruiz et al., 2023)."""

from studio.adapters.formats import LOW_RANK
from studio.registry import TrainerPlugin
from trainers.dreambooth.settings import DreamBoothSettings

plugin = TrainerPlugin(
    kind="dreambooth",
    summary="A subject from a few pictures under a rare word, and what its class looks like is kept.",
    settings=DreamBoothSettings,
    trainer_path="trainers.dreambooth.trainer:DreamBoothTrainer",
    adapter_kinds=(*LOW_RANK, "full"),
    starting_points={
        "pocket": {"optimizer": {"learning_rate": 1e-3}, "sampling": {"guidance_scale": 3.0}},
    },
)
