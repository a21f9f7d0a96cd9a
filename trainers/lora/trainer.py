"""The LoRA trainer: peft's layers while training, merged weights when a file is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from studio.adapters.adapter import Adapter
from studio.adapters.files import require_fit
from studio.adapters.formats import LOW_RANK
from studio.bases.base_model import BaseModel
from studio.bases.families import DRAWN_FROM_TEXT, Family
from studio.training.lora.layers import LoraLayers
from studio.training.lora.merging import merged
from studio.training.lora.starting import init_problems
from studio.training.trainer import ParamGroup, Trainer
from trainers.lora.settings import LoraSettings


class LoraTrainer(Trainer[LoraSettings]):
    """Trains W + s B A, or another change made of few numbers, in place of W; only those numbers move."""

    kind = "lora"
    Settings = LoraSettings
    families = (*DRAWN_FROM_TEXT, "sdxl_refiner", "svd")

    @classmethod
    def check(cls, settings: LoraSettings, family: Family) -> Iterable[str]:
        if settings.train_text_encoder and family == "svd":
            yield "trainer.train_text_encoder: true, but Stable Video Diffusion reads no text"
        if settings.text_encoder_learning_rate and not settings.train_text_encoder:
            yield (
                f"trainer.text_encoder_learning_rate: {settings.text_encoder_learning_rate} has no "
                "effect; set trainer.train_text_encoder: true as well, or leave it out"
            )
        if settings.text_encoder_stop_after and not settings.train_text_encoder:
            yield (
                f"trainer.text_encoder_stop_after: {settings.text_encoder_stop_after} has no effect; "
                "set trainer.train_text_encoder: true as well, or leave it out"
            )
        yield from init_problems(settings, family)

    @property
    def trains_text_encoder(self) -> bool:
        return self.settings.train_text_encoder

    def attach(self) -> list[ParamGroup]:
        """Put peft's layers into the U-Net and, where asked for, into every text encoder.

        Raises:
            RecipeError: a target module or a block is nowhere in the base.
            AdapterError: the adapter to go on from does not fit.
        """
        texts = list(self.base.named_text_encoders) if self.trains_text_encoder else []
        self._layers = LoraLayers(self.settings, self.base, ["unet", *texts], self.context.seed)
        return self._layers.param_groups(
            text_encoder_learning_rate=self.settings.text_encoder_learning_rate,
            text_encoder_stop_after=self.settings.text_encoder_stop_after,
        )

    def after_step(self) -> None:
        self._layers.after_step()

    def detached(self) -> AbstractContextManager[None]:
        return self._layers.detached()

    def adapter(self) -> Adapter:
        return Adapter(self.header(self.settings.variant), self._layers.tensors())

    @classmethod
    @contextmanager
    def apply(cls, adapter: Adapter, base: BaseModel, strength: float = 1.0) -> Iterator[None]:
        """Merge the adapter into the base's weights, as the webuis do: sampling costs nothing extra.

        Several may be applied at once; each sees the weights as those before it left them, which
        matters to DoRA only.

        Raises:
            AdapterError: another kind or family, a layer that the base lacks, or one of another shape.
        """
        require_fit(adapter, base, LOW_RANK)
        with merged(adapter.tensors, base, strength):
            yield
