"""Trainable layers, mostly peft's, put into a base model, and their parameters by neutral name."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import cast

from peft import LoHaConfig, LoKrConfig, LoraConfig, OFTConfig, PeftConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from studio.bases.base_model import BaseModel
from studio.training.lora.dropouts import dropping_modules, dropping_ranks
from studio.training.lora.merging import base_parts
from studio.training.lora.output_rotation import put_rotations
from studio.training.lora.settings import LoraWeights
from studio.training.lora.targets import Target

PEFT_NAME = "default"


class TunerLayer(nn.Module, BaseTunerLayer):
    """What peft's layers of all kinds are; for the type checker only."""

    scaling: dict[str, float]


def inject(weights: LoraWeights, base: BaseModel, targets: Sequence[Target]) -> None:
    """Put an adapter that changes nothing yet around every target; draws from torch's own generator.

    peft counts ranks by pattern, which is slow for hundreds of layers: here each width is one call.
    """

    def width(target: Target) -> tuple[str, int, float]:
        return target.part, target.rank, target.alpha

    for (part, rank, alpha), group in groupby(sorted(targets, key=width), key=width):
        model, names = base_parts(base)[part], [target.name for target in group]
        if weights.variant == "diag_oft":
            put_rotations(model, names, rank)
        else:
            _inject_peft(_config(weights, rank, alpha, names), model)
        model.eval()
    for target in targets:
        layer = tuner_layer(base, target)
        for parameter in own_parameters(layer).values():
            parameter.data = parameter.data.float()
        _state_scale_as_files_do(layer)
        _add_dropouts(layer, weights)


def tuner_layer(base: BaseModel, target: Target) -> TunerLayer:
    """The live layer around a target.

    Raises:
        TypeError: there is none.
    """
    layer = base_parts(base)[target.part].get_submodule(target.name)
    if not isinstance(layer, BaseTunerLayer):
        raise TypeError(f"{target.path} bears no adapter")
    return cast("TunerLayer", layer)


def own_parameters(layer: TunerLayer) -> dict[str, nn.Parameter]:
    """The adapter's own parameters of one layer, by what they are to it, ``lora_A.weight`` say."""
    return {
        _part_name(name): parameter
        for name, parameter in layer.named_parameters()
        if not name.startswith("base_layer.")
    }


def scale_of_layer(layer: TunerLayer) -> float | None:
    """The factor that peft puts on the layer's change; None where its kind has none."""
    scaling = getattr(layer, "scaling", None)
    return None if scaling is None else float(scaling[PEFT_NAME])


def _inject_peft(config: PeftConfig, model: nn.Module) -> None:
    with warnings.catch_warnings():
        # oft takes the nearest block size that divides the layer: what `rank` says of itself.
        warnings.filterwarnings("ignore", "Invalid `oft_block_size`")
        inject_adapter_in_model(config, model, adapter_name=PEFT_NAME)
    # peft's own record of it: a base that is detached bears no trace, and nothing reads it.
    del model.peft_config


def _config(weights: LoraWeights, rank: int, alpha: float, names: Iterable[str]) -> PeftConfig:
    targets = list(names)
    if weights.variant == "lora":
        return LoraConfig(
            r=rank,
            lora_alpha=alpha,  # type: ignore[arg-type]  # fractions are as good as whole numbers
            lora_dropout=weights.dropout,
            target_modules=targets,
            use_dora=weights.use_dora,
            use_rslora=weights.use_rslora,
        )
    if weights.variant == "oft":
        # The exact rotation, not the series that approaches it: a file then says all there is to know.
        return OFTConfig(r=0, oft_block_size=rank, target_modules=targets, use_cayley_neumann=False)
    dropouts = {"rank_dropout": weights.rank_dropout, "module_dropout": weights.module_dropout}
    if weights.variant == "loha":
        return LoHaConfig(r=rank, alpha=alpha, target_modules=targets, **dropouts)  # type: ignore[arg-type]
    return LoKrConfig(
        r=rank,
        alpha=alpha,  # type: ignore[arg-type]
        target_modules=targets,
        decompose_factor=weights.lokr_factor,
        init_weights="lycoris",
        **dropouts,  # type: ignore[arg-type]
    )


def _state_scale_as_files_do(layer: TunerLayer) -> None:
    """Where both factors of a LoKr are whole, no tool reads alpha; so none is trained with either."""
    if {"lokr_w1", "lokr_w2"} <= own_parameters(layer).keys():
        layer.scaling[PEFT_NAME] = 1.0


def _add_dropouts(layer: TunerLayer, weights: LoraWeights) -> None:
    """What peft lacks for plain LoRA; its other kinds have dropouts of their own."""
    if weights.variant != "lora":
        return
    if weights.rank_dropout:
        first = layer.get_submodule(f"lora_A.{PEFT_NAME}")
        first.register_forward_hook(dropping_ranks(weights.rank_dropout))
    if weights.module_dropout:
        second = layer.get_submodule(f"lora_B.{PEFT_NAME}")
        second.register_forward_hook(dropping_modules(weights.module_dropout))


def _part_name(name: str) -> str:
    """A live name of peft's without the adapter's own, as in the field's files."""
    if name == f"lora_magnitude_vector.{PEFT_NAME}.weight":
        return "lora_magnitude_vector"
    return name.removesuffix(f".{PEFT_NAME}").replace(f".{PEFT_NAME}.", ".")
