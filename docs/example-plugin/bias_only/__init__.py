"""Bias-only tuning: a fifth method, in a package of its own."""

from bias_only.settings import BiasOnlySettings
from studio.adapters.formats import Format, register
from studio.registry import TrainerPlugin

plugin = TrainerPlugin(
    kind="bias_only",
    summary="Only the U-Net's biases learn: a file of a few kilobytes for the mood of a set.",
    settings=BiasOnlySettings,
    trainer_path="bias_only.trainer:BiasOnlyTrainer",
    starting_points={"pocket": {"optimizer": {"learning_rate": 1e-2}}},
)
register(Format("bias_only", "safetensors", "", "bias_only.files", "bias_only.readback"))
