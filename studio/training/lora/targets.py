"""Which layers of a base are adapted, and how wide: settings meet the base's module tree."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from studio.adapters.names import flat
from studio.bases.base_model import BaseModel
from studio.errors import RecipeError
from studio.training.lora.merging import base_parts
from studio.training.lora.settings import LoraWeights, is_inside

CONV_TARGETS = ("conv1", "conv2", "downsamplers.0.conv", "upsamplers.0.conv")


@dataclass(frozen=True)
class Target:
    """A layer to adapt.

    Attributes:
        path: neutral, e.g. ``unet.mid_block.attentions.0.proj_in``.
        part: the part of the base it is in, e.g. ``unet``.
        name: its live name in that part.
        rank, alpha: of its adapter.
        learning_rate: of its own, where its block has one.
    """

    path: str
    part: str
    name: str
    rank: int
    alpha: float
    learning_rate: float | None


def find_targets(weights: LoraWeights, base: BaseModel, parts: Sequence[str]) -> list[Target]:
    """Every layer that the settings mean, in the order of the base's modules.

    Raises:
        RecipeError: a target or a block that is nowhere in the base; all of them at once.
    """
    modules = {part: dict(base_parts(base)[part].named_modules()) for part in parts}
    problems = [*_unknown_targets(weights, base, modules), *_unknown_blocks(weights, base, modules)]
    if problems:
        raise RecipeError(problems)
    targets = [
        target
        for part, named in modules.items()
        for name, module in named.items()
        if _ends_as(name, _wanted(weights, part))
        for target in _target(weights, part, name, module)
    ]
    if not targets:
        raise RecipeError(["trainer.blocks: rank 0 leaves out every layer, so nothing trains"])
    return targets


def _target(weights: LoraWeights, part: str, name: str, module: nn.Module) -> Iterator[Target]:
    """The layer, or nothing where its block leaves it out.

    Convolutions over time are left out always: no tool reads a change of theirs.
    """
    if isinstance(module, nn.Conv3d):
        return
    path = flat(f"{part}.{name}")
    is_conv = isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1)
    rank = weights.rank_of(path, is_conv)
    if rank:
        alpha = weights.alpha_of(path, is_conv)
        yield Target(path, part, name, rank, alpha, weights.block_of(path).learning_rate)


def _wanted(weights: LoraWeights, part: str) -> tuple[str, ...]:
    if part != "unet":
        return weights.text_target_modules
    return weights.target_modules + (CONV_TARGETS if weights.conv_rank else ())


def _ends_as(name: str, targets: Sequence[str]) -> bool:
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _unknown_targets(
    weights: LoraWeights, base: BaseModel, modules: dict[str, dict[str, nn.Module]]
) -> Iterator[str]:
    for part, named in modules.items():
        unet = part == "unet"
        setting, stated = (
            ("target_modules", weights.target_modules)
            if unet
            else ("text_target_modules", weights.text_target_modules)
        )
        where = "U-Net" if unet else part.replace("_", " ")
        for target in stated:
            if not any(_ends_as(name, (target,)) for name in named):
                yield (
                    f"trainer.{setting}: {target!r} is no layer of the {where} of {base.name}; "
                    f"write the end of a layer's name, such as {'to_q' if unet else 'q_proj'}"
                )


def _unknown_blocks(
    weights: LoraWeights, base: BaseModel, modules: dict[str, dict[str, nn.Module]]
) -> Iterator[str]:
    paths = [flat(f"{part}.{name}") for part, named in modules.items() for name in named]
    for block in weights.blocks:
        if not any(is_inside(path, block) for path in paths):
            names = {path.removeprefix("unet.") for path in paths}
            close = difflib.get_close_matches(block, names, 1)
            hint = f"did you mean {close[0]!r}?" if close else "write one such as mid_block"
            yield f"trainer.blocks: {block!r} is no block of {base.name} that trains; {hint}"
