"""Hypernetworks: small networks that reshape what attention reads, as A1111 defined them (2022)."""

from studio.registry import TrainerPlugin
from trainers.hypernetwork.settings import HypernetworkSettings

plugin = TrainerPlugin(
    kind="hypernetwork",
    summary="Small residual networks on what attention reads, before its keys and values.",
    settings=HypernetworkSettings,
    trainer_path="trainers.hypernetwork.trainer:HypernetworkTrainer",
    starting_points={
        "pocket": {"optimizer": {"learning_rate": 1e-3}, "sampling": {"guidance_scale": 3.0}},
    },
)
