"""Low-rank layers on a base model, from the first identity to the tensors of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from studio.adapters.layer_change import ALPHA, MAGNITUDE, added, rank_of
from studio.bases.base_model import BaseModel
from studio.training.lora.injection import (
    TunerLayer,
    inject,
    own_parameters,
    scale_of_layer,
    tuner_layer,
)
from studio.training.lora.merging import base_parts
from studio.training.lora.settings import LoraWeights
from studio.training.lora.starting import take_values
from studio.training.lora.targets import Target, find_targets
from studio.training.randomness import RandomStreams
from studio.training.trainer import ParamGroup

UP = "lora_B.weight"


class LoraLayers:
    """The adapter's weights on a live base: put in by the constructor, as an identity.

    The parts that are named are frozen; everything else of the base is left alone.

    Args:
        weights: what the recipe says of them.
        base: clean.
        parts: where they go: ``unet``, ``text_encoder``, ``text_encoder_2``.
        seed: the run's; the first values come from a random stream of their own.

    Raises:
        RecipeError: a target module or a block that the base does not have, or nothing to train.
        AdapterError: the adapter file to go on from does not fit.
    """

    def __init__(
        self, weights: LoraWeights, base: BaseModel, parts: Sequence[str], seed: int
    ) -> None:
        targets = find_targets(weights, base, parts)
        for part in parts:
            base_parts(base)[part].requires_grad_(False)
        with RandomStreams(seed).seeding_torch("lora_init", 0):
            inject(weights, base, targets)
        self._weights = weights
        self._base = base
        self._layers = {target: tuner_layer(base, target) for target in targets}
        take_values(weights, base.family, self._layers)

    def param_groups(
        self,
        *,
        text_encoder_learning_rate: float | None = None,
        text_encoder_stop_after: float | None = None,
    ) -> list[ParamGroup]:
        """What trains: a group for each part, block with a learning rate of its own, and LoRA+ side."""
        groups: dict[str, ParamGroup] = {}
        for target, layer in self._layers.items():
            is_text = target.part != "unet"
            rate = text_encoder_learning_rate if is_text else None
            for name, parameter in own_parameters(layer).items():
                group = ParamGroup(
                    self._group_name(target, name),
                    {},
                    learning_rate=target.learning_rate or rate,
                    stop_after=text_encoder_stop_after if is_text else None,
                    learning_rate_ratio=self._ratio(name),
                )
                same = groups.setdefault(group.name, group)
                same.parameters[f"{target.path}.{name}"] = parameter
        return list(groups.values())

    @contextmanager
    def detached(self) -> Iterator[None]:
        """The base as it was, for the length of a ``with`` block."""
        try:
            for target, layer in self._layers.items():
                self._put(target, layer.get_base_layer())
            yield
        finally:
            for target, layer in self._layers.items():
                self._put(target, layer)

    def tensors(self) -> dict[str, Tensor]:
        """The weights as they are now under neutral names, copies, fp32, on the CPU."""
        return {
            f"{target.path}.{name}": tensor.float().cpu().clone().contiguous()
            for target, layer in self._layers.items()
            for name, tensor in _parts(layer).items()
        }

    @torch.no_grad()
    def after_step(self) -> None:
        """Bring every change that is longer than ``max_norm`` back to it; call after each step.

        The factors share the shortening evenly, so none of them runs away while another shrinks: the
        idea of kohya's ``scale_weight_norms``.
        """
        if self._weights.max_norm is None:
            return
        for layer in self._layers.values():
            norm = torch.linalg.vector_norm(added(_parts(layer)))
            own = list(own_parameters(layer).values())
            excess = (norm / self._weights.max_norm).clamp(min=1.0)
            for parameter in own:
                parameter.div_(excess ** (1 / len(own)))

    def _group_name(self, target: Target, name: str) -> str:
        """``unet``, ``unet/mid_block`` where the block has a learning rate of its own, ``unet/lora_B``."""
        block = self._weights.block_name_of(target.path) if target.learning_rate else None
        side = name.removesuffix(".weight") if self._ratio(name) != 1 else None
        return "/".join(filter(None, (target.part, block, side)))

    def _ratio(self, name: str) -> float:
        return (self._weights.lora_plus_ratio or 1.0) if name == UP else 1.0

    def _put(self, target: Target, module: nn.Module) -> None:
        base_parts(self._base)[target.part].set_submodule(target.name, module)


def _parts(layer: TunerLayer) -> dict[str, Tensor]:
    """A layer's tensors, alpha included, as `studio.adapters.layer_change` wants them."""
    parts = {
        name: parameter.detach().flatten() if name == MAGNITUDE else parameter.detach()
        for name, parameter in own_parameters(layer).items()
    }
    scale = scale_of_layer(layer)
    if scale is None:
        return parts
    return parts | {ALPHA: torch.tensor([scale * rank_of(parts)])}
