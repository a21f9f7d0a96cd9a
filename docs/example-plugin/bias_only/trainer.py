"""The bias-only trainer: offsets added to layers' outputs while training, to their biases afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from bias_only.settings import BiasOnlySettings
from studio.adapters.adapter import Adapter
from studio.adapters.files import require_fit
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError
from studio.training.trainer import ParamGroup, Trainer


class BiasOnlyTrainer(Trainer[BiasOnlySettings]):
    """Trains one offset for every bias; offsets start at zero, so nothing changes at first."""

    kind = "bias_only"
    Settings = BiasOnlySettings

    def attach(self) -> list[ParamGroup]:
        self.base.unet.requires_grad_(False)
        for text_encoder in self.base.text_encoders:
            text_encoder.requires_grad_(False)
        layers = biased_layers(self.base, attention_only=self.settings.layers == "attention")
        # fp32 whatever the base's number format: small steps would vanish in half precision.
        self._offsets = {
            name: nn.Parameter(torch.zeros_like(layer.bias, dtype=torch.float32))
            for name, layer in layers.items()
        }
        self._layers = layers
        self._put_on()
        return [ParamGroup(self.kind, self._offsets)]

    @contextmanager
    def detached(self) -> Iterator[None]:
        self._take_off()
        try:
            yield
        finally:
            self._put_on()

    def adapter(self) -> Adapter:
        offsets = {name: p.detach().cpu().clone() for name, p in self._offsets.items()}
        return Adapter(self.header(), offsets)

    @classmethod
    @contextmanager
    def apply(cls, adapter: Adapter, base: BaseModel, strength: float = 1.0) -> Iterator[None]:
        """Biases with the offsets in them; the very same old ones are put back afterwards.

        Raises:
            AdapterError: another kind or family, or a bias that the base lacks.
        """
        require_fit(adapter, base, (cls.kind,))
        layers = biased_layers(base)
        for name, offset in adapter.tensors.items():
            if name not in layers or layers[name].bias.shape != offset.shape:
                raise AdapterError(f"{base.name} has no bias {name} of shape {tuple(offset.shape)}")
        old = {name: layers[name].bias.data for name in adapter.tensors}
        try:
            for name, offset in adapter.tensors.items():
                moved = old[name].float() + strength * offset.to(base.device)
                layers[name].bias.data = moved.to(old[name].dtype)
            yield
        finally:
            for name, bias in old.items():
                layers[name].bias.data = bias

    def _put_on(self) -> None:
        self._hooks = [
            layer.register_forward_hook(_adding(self._offsets[name]))
            for name, layer in self._layers.items()
        ]

    def _take_off(self) -> None:
        for hook in self._hooks:
            hook.remove()


def biased_layers(base: BaseModel, *, attention_only: bool = False) -> dict[str, Any]:
    """The U-Net's linear and convolution layers that have a bias, by the name of that bias."""
    return {
        f"unet.{name}.bias": module
        for name, module in base.unet.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
        and module.bias is not None
        and (not attention_only or "attentions" in name)
    }


def _adding(offset: nn.Parameter) -> Any:
    def hook(layer: nn.Module, _: Any, output: Tensor) -> Tensor:
        shape = (-1, 1, 1) if isinstance(layer, nn.Conv2d) else (-1,)
        return output + offset.view(shape).to(output.dtype)

    return hook
