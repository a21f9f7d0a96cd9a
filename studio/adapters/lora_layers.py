"""A LoRA's tensors layer by layer: what its file formats share."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.errors import AdapterError

TEXT_WIDTHS = {1024: "sd2", 2048: "sdxl"}
DOWN, UP, MAGNITUDE = ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"


@dataclass(frozen=True)
class LoraLayer:
    """The change of one layer's weight: scale * up @ down.

    Attributes:
        down: (rank, in) or (rank, in, k, k).
        up: (out, rank) or (out, rank, 1, 1).
        scale: alpha / rank, or alpha / sqrt(rank) for rsLoRA.
        magnitude: (out,), for convolutions also (1, out, 1, 1): the length of each row of the
            changed weight; DoRA only.
    """

    down: torch.Tensor
    up: torch.Tensor
    scale: float
    magnitude: torch.Tensor | None = None

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def alpha(self) -> float:
        """The alpha that states ``scale`` as alpha / rank, the only rule that files know."""
        return self.scale * self.rank

    def change(self, weight: torch.Tensor) -> torch.Tensor:
        """What the layer adds to ``weight`` (out, in) or (out, in, k, k), in fp32.

        DoRA (Liu et al., 2024, arXiv 2402.09353) gives each row of the changed weight a length of
        its own.
        """
        product = torch.mm(self.up.float().flatten(1), self.down.float().flatten(1))
        added: torch.Tensor = product.reshape(weight.shape) * self.scale
        if self.magnitude is None:
            return added
        original = weight.detach().float().cpu()
        rows = (original + added).flatten(1)
        lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        rows = rows * (self.magnitude.float().reshape(-1, 1) / lengths)
        changed: torch.Tensor = rows.reshape(weight.shape) - original
        return changed


def are_a_pair(down: torch.Tensor, up: torch.Tensor | None) -> bool:
    """Whether the two matrices of a file can be multiplied."""
    if up is None or up.dim() < 2 or up.dim() != down.dim():
        return False
    return up.shape[1] == down.shape[0] > 0


def lora_scale(settings: str) -> float:
    """The factor on up @ down that a LoRA's settings (JSON) mean.

    Raises:
        AdapterError: they are not a LoRA's settings.
    """
    try:
        stated = json.loads(settings)
        rank, alpha = int(stated["rank"]), stated.get("alpha")
        scale = float(rank if alpha is None else alpha)
        return scale / (math.sqrt(rank) if stated.get("use_rslora") else rank)
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise AdapterError(
            f"the adapter's settings {settings[:80]!r} name no LoRA rank and alpha; export it anew"
        ) from error


def layers_of(adapter: Adapter) -> dict[str, LoraLayer]:
    """The layers by neutral path, sorted.

    Raises:
        AdapterError: a matrix lacks its partner, a name is unknown, or a value is not finite.
    """
    scale = lora_scale(adapter.header.settings)
    tensors = dict(adapter.tensors)
    broken = next((k for k, t in tensors.items() if not torch.isfinite(t).all()), None)
    if broken:
        raise AdapterError(
            f"the adapter has values that are not finite in {broken}: training diverged; "
            "lower the learning rate"
        )
    layers: dict[str, LoraLayer] = {}
    for path in sorted(name.removesuffix(DOWN) for name in tensors if name.endswith(DOWN)):
        down, up = tensors.pop(path + DOWN), tensors.pop(path + UP, None)
        if up is None or up.shape[1] != down.shape[0]:
            raise AdapterError(f"the adapter's layer {path} lacks the matrix {path}{UP} that fits")
        layers[path] = LoraLayer(down, up, scale, tensors.pop(path + MAGNITUDE, None))
    if tensors or not layers:
        raise AdapterError(f"the adapter is no LoRA: it has {next(iter(tensors), 'no layers')}")
    return layers


def trained_changes(adapter: Adapter) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    """What the adapter in memory does to each layer's weight, by neutral path."""
    return {path: layer.change for path, layer in layers_of(adapter).items()}


def adapter_of(layers: Mapping[str, LoraLayer], header: AdapterHeader) -> Adapter:
    """The adapter in neutral form, fp32. One scale holds for all layers there, so a layer of another
    scale has the difference multiplied into ``up``.
    """
    header = replace(
        header,
        settings=header.settings or _settings(layers),
        family=header.family or _family(layers),
    )
    scale = lora_scale(header.settings)
    tensors: dict[str, torch.Tensor] = {}
    for path, layer in layers.items():
        factor = layer.scale / scale
        same = math.isclose(factor, 1.0, rel_tol=1e-6)
        tensors[path + DOWN] = layer.down.float()
        tensors[path + UP] = layer.up.float() if same else layer.up.float() * factor
        if layer.magnitude is not None:
            tensors[path + MAGNITUDE] = layer.magnitude.float().flatten()
    return Adapter(header, tensors)


def _settings(layers: Mapping[str, LoraLayer]) -> str:
    """The settings that a file without any must have had; scale 1 where its layers differ."""
    rank = max(layer.rank for layer in layers.values())
    scales = {layer.scale for layer in layers.values()}
    scale = scales.pop() if len(scales) == 1 else 1.0
    use_dora = any(layer.magnitude is not None for layer in layers.values())
    alpha = rank * scale if scale > 0 else rank
    return json.dumps({"kind": "lora", "rank": rank, "alpha": alpha, "use_dora": use_dora})


def _family(layers: Mapping[str, LoraLayer]) -> str:
    """By the width of the text that cross-attention reads; every other width has SD 1.x's layers."""
    text = (v.down.shape[1] for path, v in layers.items() if path.endswith("attn2.to_k"))
    return TEXT_WIDTHS.get(next(text, 0), "sd1")
