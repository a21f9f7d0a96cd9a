"""The trainer interface: one way to teach a base model something new."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from torch import Tensor, nn

from studio.adapters.adapter import Adapter
from studio.bases.base_model import BaseModel
from studio.curation.manifest import CuratedSet
from studio.examples.batch import Batch
from studio.examples.example import Example, default_examples
from studio.settings import TrainerSettings
from studio.training.diffusion import Objective, denoising_loss
from studio.training.randomness import RandomStreams

SettingsT = TypeVar("SettingsT", bound=TrainerSettings)


@dataclass(frozen=True)
class ParamGroup:
    """Parameters that train with one learning rate.

    Attributes:
        name: shown in the log and used in checkpoints, e.g. ``unet``.
        parameters: by the name under which a checkpoint stores them, in a fixed order; fp32.
        learning_rate: overrides the recipe's where given.
    """

    name: str
    parameters: dict[str, nn.Parameter]
    learning_rate: float | None = None


@dataclass
class TrainingContext:
    """What a trainer may know of the run: nothing global, nothing else.

    Attributes:
        resolution_px: side of the training bucket's square equivalent.
        seed: the run's, for random streams.
        trigger: the trigger word; empty where there is none.
        objective: how model output and noise become a loss (prediction type, SNR weighting).
    """

    resolution_px: int
    seed: int
    trigger: str = ""
    objective: Objective = field(default_factory=Objective)


class Trainer(ABC, Generic[SettingsT]):
    """One way to teach a base model something new. Owns the adapter's weights, nothing else.

    The engine calls `attach` once, then `loss` for every batch and `after_step` for every step, and
    `adapter` whenever a file is wanted. `apply` works without any of this: it puts a *file's* content
    on a clean base, which is how previews, samples and evaluation see the result.
    """

    kind: ClassVar[str]
    Settings: ClassVar[type[TrainerSettings]]

    def __init__(self, settings: SettingsT, base: BaseModel, context: TrainingContext) -> None:
        self.settings = settings
        self.base = base
        self.context = context

    @classmethod
    def check(cls, settings: SettingsT, family: str) -> Iterable[str]:  # noqa: ARG003 - for plugins
        """Problems that the settings have with a family of base models; called before loading."""
        return ()

    @abstractmethod
    def attach(self) -> list[ParamGroup]:
        """Freeze the base, add the adapter as an identity, say what trains."""

    def examples(self, curated: CuratedSet) -> Sequence[Example]:
        """What is learned from: by default every kept picture with its caption."""
        return default_examples(curated, self.context.trigger)

    @property
    def trains_text_encoder(self) -> bool:
        """Whether text must be encoded in every step rather than once."""
        return False

    def loss(self, batch: Batch, streams: RandomStreams) -> Tensor:
        """The denoising loss, a scalar; a method with an objective of its own overrides it.

        Draws come from ``streams`` at the batch's addresses, never from a global generator.
        """
        return denoising_loss(self.base, batch, self.context.objective, streams)

    def after_step(self) -> None:
        """Called after every optimizer step, e.g. to restore embeddings that are not ours."""

    @abstractmethod
    def detached(self) -> AbstractContextManager[None]:
        """The base as it was before `attach`, for the length of a ``with`` block; then training goes on."""

    @abstractmethod
    def adapter(self) -> Adapter:
        """The adapter as it is now: kind, tensors (copies, fp32, CPU) and header."""

    @classmethod
    @abstractmethod
    def apply(
        cls, adapter: Adapter, base: BaseModel, strength: float = 1.0
    ) -> AbstractContextManager[None]:
        """Put ``adapter`` on a clean base for the length of a ``with`` block; then the base is as before.

        Raises:
            AdapterError: the adapter does not fit the base.
        """
