"""The trainer interface: one way to teach a base model something new."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from torch import Tensor, nn

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.bases.base_model import BaseModel
from studio.bases.families import DRAWN_FROM_TEXT, FAMILIES, Family
from studio.curation.manifest import CuratedSet
from studio.examples.batch import Batch
from studio.examples.encoding import Progress
from studio.examples.example import Example, default_examples
from studio.settings import TrainerSettings
from studio.training.diffusion import denoising_loss
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams

SettingsT = TypeVar("SettingsT", bound=TrainerSettings)


@dataclass(frozen=True)
class ParamGroup:
    """Parameters that train with one learning rate.

    Attributes:
        name: shown in the log and used in checkpoints, e.g. ``unet``.
        parameters: by the name under which a checkpoint stores them, in a fixed order; fp32.
        learning_rate: overrides the recipe's where given.
        stop_after: share of the run, in (0, 1], after which the group's learning rate is 0 and its
            weights stay as they are; None: never.
        learning_rate_ratio: factor on its learning rate, its own or the recipe's; LoRA+ has one.
    """

    name: str
    parameters: dict[str, nn.Parameter]
    learning_rate: float | None = None
    stop_after: float | None = None
    learning_rate_ratio: float = 1.0


@dataclass
class TrainingContext:
    """What a trainer may know of the run: nothing global, nothing else.

    Attributes:
        resolution_px: side of the training bucket's square equivalent.
        seed: the run's, for random streams.
        trigger: the words that call up what is learned (`Recipe.trigger`); empty where there are none.
        objective: how model output and noise become a loss (prediction type, SNR weighting).
        cache_folder: for what is made once and used by any number of runs, such as class pictures.
    """

    resolution_px: int
    seed: int
    trigger: str = ""
    objective: Objective = field(default_factory=Objective)
    cache_folder: Path = Path(".cache")


class Trainer(ABC, Generic[SettingsT]):
    """One way to teach a base model something new. Owns the adapter's weights, nothing else.

    The engine asks for `examples` and `prior_examples` while the base is clean, calls `attach` once,
    then `loss` for every batch and `after_step` for every step, and `adapter` whenever a file is
    wanted. `apply` works without any of this: it puts a *file's* content on a clean base, which is how
    previews, samples and evaluation see the result.
    """

    kind: ClassVar[str]
    Settings: ClassVar[type[TrainerSettings]]
    families: ClassVar[tuple[Family, ...]] = DRAWN_FROM_TEXT
    """Of base models, those that it can teach."""

    def __init__(self, settings: SettingsT, base: BaseModel, context: TrainingContext) -> None:
        self.settings = settings
        self.base = base
        self.context = context

    @classmethod
    def problems(cls, settings: SettingsT, family: Family) -> Iterable[str]:
        """What speaks against training on a family of base models; asked for before loading."""
        if family in cls.families:
            return cls.check(settings, family)
        able = ", ".join(FAMILIES[known].title for known in cls.families)
        return (f"trainer.kind: {cls.kind} cannot teach {FAMILIES[family].title}; it can: {able}",)

    @classmethod
    def check(cls, settings: SettingsT, family: Family) -> Iterable[str]:  # noqa: ARG003 - for plugins
        """Problems that the settings have with one of `families`."""
        return ()

    @abstractmethod
    def attach(self) -> list[ParamGroup]:
        """Freeze the base, add the adapter as an identity, say what trains."""

    def examples(self, curated: CuratedSet) -> Sequence[Example]:
        """What is learned from: by default every kept picture with its caption."""
        return default_examples(curated, self.context.trigger)

    def prior_examples(self, progress: Progress | None = None) -> Sequence[Example]:  # noqa: ARG002
        """Examples of what the base already knows and shall keep; by default there are none.

        They come beside every batch as ``batch.prior``; what to make of them is `loss`'s matter.
        Called before `attach`, so a clean base can draw them, into the context's ``cache_folder``.

        Args:
            progress: called with (pictures done, pictures in all).
        """
        return ()

    @property
    def trains_text_encoder(self) -> bool:
        """Whether text must be encoded in every step rather than once."""
        return False

    def loss(self, batch: Batch, streams: RandomStreams) -> Tensor:
        """The denoising loss, a scalar; a method with an objective of its own overrides it.

        It is a mean over the batch's examples: a batch that is too large for memory comes in parts,
        and their losses are averaged, weighed by how many examples each has.

        Draws come from ``streams`` at the batch's addresses, never from a global generator.
        """
        return denoising_loss(self.base, batch, self.context.objective, streams)

    def after_step(self) -> None:
        """Called after every optimizer step, e.g. to restore embeddings that are not ours.

        It sees the weights that train, before they are averaged; see `fit` for the order.
        """

    @abstractmethod
    def detached(self) -> AbstractContextManager[None]:
        """The base as it was before `attach`, for the length of a ``with`` block; then training goes on."""

    @abstractmethod
    def adapter(self) -> Adapter:
        """The adapter as it is now: `header`, and tensors (copies, fp32, CPU) under neutral names."""

    def header(self, kind: str | None = None) -> AdapterHeader:
        """What the adapter says of itself, as far as a trainer knows; the run adds the rest.

        Args:
            kind: what the tensors are, where that is not the trainer's own kind.
        """
        return AdapterHeader(
            kind=kind or self.kind,
            method=self.kind,
            family=self.base.family,
            base_name=self.base.name,
            base_digest=self.base.digest,
            settings=self.settings.model_dump_json(),
            seed=self.context.seed,
            trigger=self.context.trigger,
            resolution_px=self.context.resolution_px,
            clip_skip=self.base.clip_skip,
        )

    @classmethod
    @abstractmethod
    def apply(
        cls, adapter: Adapter, base: BaseModel, strength: float = 1.0
    ) -> AbstractContextManager[None]:
        """Put ``adapter`` on a clean base for the length of a ``with`` block; then the base is as before.

        `require_fit` refuses what is of another kind or family; whether the tensors fit is for the
        method to see.

        Raises:
            AdapterError: the adapter does not fit the base.
        """
