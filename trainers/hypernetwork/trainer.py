"""The hypernetwork trainer: networks on hooks while training, the same hooks when a file is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from studio.adapters.adapter import Adapter
from studio.adapters.files import require_fit
from studio.adapters.hypernetwork_network import (
    NetworkPair,
    networks_of,
    neutral_tensors,
    structure_of,
)
from studio.bases.base_model import BaseModel
from studio.bases.families import Family
from studio.errors import AdapterError, RecipeError
from studio.training.randomness import RandomStreams
from studio.training.trainer import ParamGroup, Trainer
from trainers.hypernetwork.context_hooks import ContextHooks, context_widths
from trainers.hypernetwork.initialisation import new_network, zero_start_problem
from trainers.hypernetwork.settings import HypernetworkSettings


class HypernetworkTrainer(Trainer[HypernetworkSettings]):
    """Trains two residual networks for each context width; the base's own weights never move."""

    kind = "hypernetwork"
    Settings = HypernetworkSettings

    _networks: dict[int, NetworkPair] | None = None
    _hooks: ContextHooks | None = None

    @classmethod
    def check(cls, settings: HypernetworkSettings, family: Family) -> Iterable[str]:  # noqa: ARG003
        problem = zero_start_problem(settings)
        if problem:
            yield (
                f"trainer.activate_output: true, but {settings.activation_func} {problem}; "
                "set it or trainer.zero_last_layer to false, or trainer.add_layer_norm to true"
            )

    def attach(self) -> list[ParamGroup]:
        """Draw the networks and put them before the keys and values of every attention they fit.

        Raises:
            RecipeError: the base has no context of a width that is asked for.
        """
        for part in (self.base.unet, *self.base.text_encoders):
            part.requires_grad_(False)
        self._networks = {width: self._new_pair(width) for width in self._widths()}
        self._hooks = ContextHooks(self.base.unet, self._networks)
        self._hooks.put_on()
        parameters = {
            f"{width}.{side}.{name}": parameter
            for width, pair in self._networks.items()
            for side, network in enumerate(pair)
            for name, parameter in network.named_parameters()
        }
        return [ParamGroup(self.kind, parameters)]

    @contextmanager
    def detached(self) -> Iterator[None]:
        try:
            if self._hooks is not None:
                self._hooks.take_off()
            yield
        finally:
            if self._hooks is not None:
                self._hooks.put_on()

    def adapter(self) -> Adapter:
        parts = {
            (width, side): {
                key: tensor.detach().float().cpu().clone()
                for key, tensor in network.state_dict().items()
            }
            for width, pair in (self._networks or {}).items()
            for side, network in enumerate(pair)
        }
        return Adapter(self.header(), neutral_tensors(parts))

    @classmethod
    @contextmanager
    def apply(cls, adapter: Adapter, base: BaseModel, strength: float = 1.0) -> Iterator[None]:
        """Put the networks before the keys and values of every attention that they fit.

        Several may be applied at once; each works on the context as those before it left it. Widths
        that the base does not have are passed over, for A1111's files often carry them.

        Raises:
            AdapterError: another kind or family, no width that the base has, or a tensor that does
                not fit the structure.
        """
        require_fit(adapter, base, (cls.kind,))
        networks = networks_of(adapter)
        known = context_widths(base.unet)
        if not set(networks) & set(known):
            raise AdapterError(
                f"the hypernetwork is for contexts of width {_listed(networks)}, but {base.name} has "
                f"{_listed(known)}; it was made for another base model"
            )
        for network in (network for pair in networks.values() for network in pair):
            network.to(base.device)
        hooks = ContextHooks(base.unet, networks, strength)
        try:
            hooks.put_on()
            yield
        finally:
            hooks.take_off()

    def _widths(self) -> list[int]:
        known = context_widths(self.base.unet)
        wanted = known if self.settings.widths is None else sorted(set(self.settings.widths))
        problems = [
            f"trainer.widths: {width} is no context's width of {self.base.name}; "
            f"it has {_listed(known)}"
            for width in wanted
            if width not in known
        ]
        problems += [
            f"trainer.layer_structure: {width} x {min(self.settings.layer_structure):g} leaves a layer "
            "of no width; choose larger numbers"
            for width in wanted
            if width * min(self.settings.layer_structure) < 1
        ]
        if problems:
            raise RecipeError(problems)
        return wanted

    def _new_pair(self, width: int) -> NetworkPair:
        settings = self.settings
        structure = structure_of(settings.model_dump_json())
        with RandomStreams(self.context.seed).seeding_torch("hypernetwork_init", width):
            keys, values = (new_network(width, structure, settings) for _ in range(2))
        return keys.to(self.base.device), values.to(self.base.device)


def _listed(widths: Iterable[int]) -> str:
    return ", ".join(map(str, widths))
