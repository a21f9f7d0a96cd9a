"""What a recipe can say about low-rank weights, whichever trainer trains them. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from studio.settings import Section


class BlockSettings(Section):
    """What is different in one block of the base."""

    rank: int | None = Field(None, ge=0, le=1024)
    """Rank of all its layers, convolutions included. 0 leaves the block out; empty: as elsewhere."""

    alpha: float | None = Field(None, gt=0)
    """Alpha of all its layers. Empty: as elsewhere."""

    learning_rate: float | None = Field(None, gt=0, le=10)
    """Learning rate of its layers. Empty: as elsewhere."""


class LoraWeights(Section):
    """Which layers are adapted, by what kind of weights, and what holds them in check."""

    variant: Literal["lora", "loha", "lokr", "oft", "diag_oft"] = "lora"
    """How a change is made of few numbers. ``lora``: the product of two thin matrices (Hu et al., 2021,
    arXiv 2106.09685), read everywhere. ``loha``: two such products multiplied element by element
    (Hyeon-Woo et al., 2021, arXiv 2108.06098), richer at the same rank. ``lokr``: a Kronecker product
    (Yeh et al., 2023, arXiv 2309.14859), very small files. ``diag_oft``: each layer's output is rotated
    block by block (Qiu et al., 2023, arXiv 2306.07280), which keeps the base's own knowledge best; LyCORIS'
    way, which the webuis read. ``oft``: its input is, as peft does it, whose files no webui reads."""

    rank: int = Field(8, ge=1, le=1024)
    """Width of the bottleneck. 4 to 32 for a style, 8 to 64 for a subject; more learns finer and copies
    sooner. For ``oft`` and ``diag_oft`` it is the side of the rotated blocks, 8 to 64, taken to the nearest
    size that divides the layer."""

    alpha: float | None = Field(None, gt=0)
    """The change is scaled by alpha / rank. Empty: equal to rank. A lower one works like a lower learning
    rate; 1 and half of rank are customs of the field."""

    conv_rank: int | None = Field(None, ge=1, le=1024)
    """Rank of the 3x3 convolutions in the U-Net's resnets, downsamplers and upsamplers (LoCon). Half the
    rank of the rest is usual; helps with styles and textures. Empty: convolutions are left alone."""

    conv_alpha: float | None = Field(None, gt=0)
    """Alpha of the convolutions. Empty: equal to their rank where ``alpha`` is empty, else ``alpha``."""

    target_modules: tuple[str, ...] = Field(("to_q", "to_k", "to_v", "to_out.0"), min_length=1)
    """Layers of the U-Net to adapt, by the end of their names. The default is all attention; add
    ``proj_in``, ``proj_out``, ``ff.net.0.proj`` and ``ff.net.2`` for more capacity and a larger file."""

    text_target_modules: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "out_proj"), min_length=1
    )
    """Layers of the text encoders to adapt, where they train. Add ``fc1`` and ``fc2`` for more capacity."""

    use_dora: bool = False
    """Train direction and length of each weight row apart (DoRA, Liu et al., 2024, arXiv 2402.09353): often
    better at low rank, about a third slower, and not every tool reads it. For ``lora`` only."""

    use_rslora: bool = False
    """Scale by alpha / sqrt(rank) (rsLoRA, Kalajdzievski, 2023, arXiv 2312.03732), which keeps high ranks
    learning. Lower alpha or the learning rate with it. For ``lora`` only."""

    lokr_factor: int = Field(-1, ge=-1)
    """Size of the smaller factor of a Kronecker product: 4, 8 or 16; -1 makes both factors as alike as
    possible, which gives the smallest files. For ``lokr`` only."""

    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of each layer's input that is left out in a step. Usual: 0 to 0.1; more copies less and learns
    slower. For ``lora`` only."""

    rank_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of ranks that is left out in a step: of the bottleneck for ``lora``, of the output rows for
    ``loha`` and ``lokr``. Usual: 0 to 0.2."""

    module_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Chance of each layer to be left out in a step as a whole. Usual: 0 to 0.2."""

    max_norm: float | None = Field(None, gt=0)
    """After each step a layer whose change is longer than this (Frobenius norm) is brought back to it, so
    that no layer runs away. 1 is the field's value on SD 1.5. Empty: off."""

    lora_plus_ratio: float | None = Field(None, ge=1)
    """How many times faster the second matrix learns than the first (LoRA+, Hayou et al., 2024, arXiv
    2402.12354): 4 to 16. Empty: both alike. For ``lora`` only."""

    blocks: dict[str, BlockSettings] = Field(default_factory=dict)
    """Ranks, alphas and learning rates of single blocks, by the beginning of their layers' names:
    ``mid_block``, ``up_blocks.1``, ``down_blocks.2.attentions.0``, ``text_encoder.encoder.layers.11``.
    The longest name that fits a layer counts."""

    init_from: Path | None = None
    """An adapter file to go on from, of the same variant, ranks and family. Layers that it does not hold
    start from nothing."""

    @model_validator(mode="after")
    def _refuse_what_means_nothing(self) -> Self:
        given = self.model_dump(exclude_defaults=True)
        for names, misfit, reason in _MISFITS:
            name = next((name for name in names if name in given), None)
            if name and misfit(self):
                shown = str(given[name]).lower() if given[name] is True else given[name]
                raise ValueError(f"{name}: {shown} {reason}")
        if _is_rotation(self) and any(block.alpha for block in self.blocks.values()):
            raise ValueError(
                f"blocks: an alpha means nothing with variant: {self.variant}; leave it out"
            )
        return self

    def block_of(self, path: str) -> BlockSettings:
        """What ``blocks`` says of a layer, by its neutral path."""
        name = self.block_name_of(path)
        return BlockSettings() if name is None else self.blocks[name]

    def block_name_of(self, path: str) -> str | None:
        """The key of ``blocks`` that counts for a layer."""
        return max((name for name in self.blocks if is_inside(path, name)), key=len, default=None)

    def rank_of(self, path: str, is_conv: bool) -> int:
        """A layer's rank; 0 where it is left out.

        Args:
            path: the layer's neutral path.
            is_conv: whether it is a convolution that mixes pixels, 3x3 and up.
        """
        rank = self.block_of(path).rank
        if rank is not None:
            return rank
        return (self.conv_rank or self.rank) if is_conv else self.rank

    def alpha_of(self, path: str, is_conv: bool) -> float:
        """A layer's alpha, of which the scale is alpha / rank or alpha / sqrt(rank)."""
        stated = self.conv_alpha if is_conv and self.conv_alpha is not None else self.alpha
        block = self.block_of(path).alpha
        alpha = block if block is not None else stated
        return self.rank_of(path, is_conv) if alpha is None else alpha

    def scale(self, rank: int, alpha: float) -> float:
        """The factor on the product of the matrices."""
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)


def is_inside(path: str, block: str) -> bool:
    """Whether a layer's neutral path lies in a block; ``unet.`` may be left out of the block's name."""
    return any(f"{path}.".startswith(f"{prefix}{block}.") for prefix in ("", "unet."))


def _is_rotation(weights: LoraWeights) -> bool:
    return weights.variant in ("oft", "diag_oft")


# Settings that mean nothing together with others: their names, when, and why.
_MISFITS: tuple[tuple[tuple[str, ...], Callable[[LoraWeights], bool], str], ...] = (
    (
        ("use_dora", "use_rslora", "dropout", "lora_plus_ratio"),
        lambda weights: weights.variant != "lora",
        "is for variant: lora alone; leave it out",
    ),
    (
        ("lokr_factor",),
        lambda weights: weights.variant != "lokr",
        "is for variant: lokr alone; leave it out",
    ),
    (
        ("alpha", "conv_alpha", "max_norm"),
        _is_rotation,
        "means nothing with an oft, which turns weights and adds nothing to them; leave it out",
    ),
    (
        ("conv_rank",),
        lambda weights: weights.variant == "oft",
        "does not go with variant: oft: peft turns no 3x3 convolution in a way that a weight could hold; "
        "leave it out, or use diag_oft",
    ),
    (
        ("rank_dropout", "module_dropout"),
        _is_rotation,
        "does not go with an oft, which has no dropout; leave it out",
    ),
    (
        ("rank_dropout", "module_dropout"),
        lambda weights: weights.use_dora,
        "does not go with use_dora, for peft works out the rows' lengths from all ranks; use dropout",
    ),
    (
        ("max_norm",),
        lambda weights: weights.use_dora,
        "does not go with use_dora, whose rows have lengths of their own; leave it out",
    ),
    (
        ("conv_alpha",),
        lambda weights: weights.conv_rank is None,
        "needs conv_rank as well; give that too, or leave it out",
    ),
)
