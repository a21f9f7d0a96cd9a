"""The base's own parameters as what trains: fp32, in place, with the old values kept to go back to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from studio.adapters.whole_weights import named_parameters
from studio.bases.base_model import BaseModel
from studio.training.trainer import ParamGroup


class FullWeights:
    """All parameters of the U-Net and, where asked for, of the text encoders, made trainable.

    A base in half precision gets fp32 parameters, for the steps of training are smaller than what half
    precision can add to a weight.
    """

    def __init__(self, base: BaseModel, *, train_text_encoder: bool) -> None:
        for module in (base.unet, *base.text_encoders):
            module.requires_grad_(False)
        self._parameters = {
            name: parameter
            for name, parameter in named_parameters(base).items()
            if train_text_encoder or name.startswith("unet.")
        }
        self._old = {name: parameter.data for name, parameter in self._parameters.items()}
        for parameter in self._parameters.values():
            parameter.data = parameter.data.float().clone()
            parameter.requires_grad_(True)

    def param_groups(
        self,
        *,
        text_encoder_learning_rate: float | None,
        text_encoder_stop_after: float | None,
    ) -> list[ParamGroup]:
        """One group for each part."""
        groups: dict[str, ParamGroup] = {}
        for name, parameter in self._parameters.items():
            part = name.partition(".")[0]
            is_text = part != "unet"
            group = ParamGroup(
                part,
                {},
                learning_rate=text_encoder_learning_rate if is_text else None,
                stop_after=text_encoder_stop_after if is_text else None,
            )
            groups.setdefault(part, group).parameters[name] = parameter
        return list(groups.values())

    @contextmanager
    def detached(self) -> Iterator[None]:
        """The very tensors that the base had, for the length of a ``with`` block.

        They ask for no gradients there: autocast would otherwise keep their half-precision copies for
        the trained weights that come after them.
        """
        trained = {name: parameter.data for name, parameter in self._parameters.items()}
        try:
            for name, parameter in self._parameters.items():
                parameter.requires_grad_(False)
                parameter.data = self._old[name]
            yield
        finally:
            for name, parameter in self._parameters.items():
                parameter.data = trained[name]
                parameter.requires_grad_(True)

    def tensors(self) -> dict[str, Tensor]:
        """The weights as they are now under neutral names, copies, fp32, on the CPU."""
        return {
            name: parameter.detach().float().cpu().clone().contiguous()
            for name, parameter in self._parameters.items()
        }

    def after_step(self) -> None:
        """Nothing holds whole weights in check."""
