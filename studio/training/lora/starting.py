"""Going on from an adapter file: ``init_from`` checked before the base loads, and its values taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from studio.adapters.adapter import Adapter
from studio.adapters.files import read_adapter
from studio.adapters.layer_change import ALPHA, MAGNITUDE, Parts, has_rank, rank_of, scale_of
from studio.adapters.lora_layers import is_spatial, layers_of
from studio.errors import AdapterError
from studio.training.lora.injection import TunerLayer, own_parameters, scale_of_layer
from studio.training.lora.settings import LoraWeights
from studio.training.lora.targets import Target


def init_problems(weights: LoraWeights, family: str, section: str = "trainer") -> Iterator[str]:
    """What speaks against ``init_from``, as far as the file alone can tell; the first thing only.

    Args:
        family: the base model's.
        section: where the recipe says it.
    """
    if weights.init_from is None:
        return
    try:
        adapter = read_adapter(weights.init_from)
        layers = _layers(adapter, weights)
    except AdapterError as error:
        yield f"{section}.init_from: {error}"
        return
    header = adapter.header
    name = weights.init_from.name
    if header.family != family:
        yield f"{section}.init_from: {name} is for the family {header.family}, the base of {family}"
        return
    for path, parts in layers.items():
        wanted = weights.rank_of(path, is_spatial(parts))
        if has_rank(parts) and rank_of(parts) != wanted:
            yield (
                f"{section}.init_from: {name} has rank {rank_of(parts)} at {path}, the recipe {wanted}; "
                "make rank, conv_rank and blocks as they were"
            )
            return


@torch.no_grad()
def take_values(weights: LoraWeights, family: str, layers: Mapping[Target, TunerLayer]) -> None:
    """Give live layers the values of ``init_from``; layers that it lacks stay an identity.

    Raises:
        AdapterError: the file is for another family or variant, changes a layer that does not train
            here, or has one of another shape.
    """
    path = weights.init_from
    if path is None:
        return
    adapter = read_adapter(path)
    if adapter.header.family != family:
        raise AdapterError(
            f"{path} is for the family {adapter.header.family}, the base of {family}"
        )
    by_path = {target.path: layer for target, layer in layers.items()}
    for layer_path, parts in _layers(adapter, weights).items():
        if layer_path not in by_path:
            raise AdapterError(
                f"{path} changes {layer_path}, which does not train here; add it to the trainer's "
                "targets, or train its text encoder"
            )
        _take(by_path[layer_path], parts, f"{path} at {layer_path}")


def _layers(adapter: Adapter, weights: LoraWeights) -> dict[str, dict[str, torch.Tensor]]:
    if adapter.header.kind != weights.variant:
        raise AdapterError(
            f"{weights.init_from} holds a {adapter.header.kind}, but trainer.variant is "
            f"{weights.variant}; give a file of that kind"
        )
    return layers_of(adapter)


def _take(layer: TunerLayer, parts: Parts, where: str) -> None:
    own = own_parameters(layer)
    given = {
        name: tensor.reshape(own[name].shape) if _is_flat_magnitude(name, own, tensor) else tensor
        for name, tensor in parts.items()
        if name != ALPHA
    }
    shapes = {name: tuple(tensor.shape) for name, tensor in given.items()}
    wanted = {name: tuple(parameter.shape) for name, parameter in own.items()}
    if shapes != wanted:
        raise AdapterError(
            f"{where} has tensors {shapes}, but {wanted} train here; match the settings"
        )
    for name, parameter in own.items():
        parameter.copy_(given[name])
    scale = scale_of_layer(layer)
    if scale is not None and scale != scale_of(parts):
        # The recipe's alpha may differ from the file's: the change stays what it was.
        next(p for name, p in own.items() if name != "lora_A.weight").mul_(scale_of(parts) / scale)


def _is_flat_magnitude(
    name: str, own: Mapping[str, torch.nn.Parameter], tensor: torch.Tensor
) -> bool:
    return name == MAGNITUDE and name in own and own[name].numel() == tensor.numel()
