"""The textual inversion trainer: new words while training, put on a clean base when a file is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from studio.adapters.adapter import Adapter
from studio.adapters.embedding_vectors import (
    PARTS,
    PIVOTAL,
    Vectors,
    weights_and_words,
    words_of,
)
from studio.adapters.files import require_fit
from studio.bases.base_model import BaseModel
from studio.bases.families import Family
from studio.curation.manifest import CuratedSet
from studio.errors import AdapterError, RecipeError
from studio.examples.batch import Batch
from studio.examples.example import Example
from studio.training.lora.layers import LoraLayers
from studio.training.lora.merging import merged
from studio.training.lora.starting import init_problems
from studio.training.placeholder_tokens import PlaceholderTokens, vocabulary
from studio.training.randomness import RandomStreams
from studio.training.trainer import ParamGroup, Trainer
from trainers.textual_inversion.captions import drawn_caption
from trainers.textual_inversion.settings import TextualInversionSettings
from trainers.textual_inversion.strength import at_strength
from trainers.textual_inversion.templates import sentences
from trainers.textual_inversion.vectors import TrainedVectors, start_vectors

GROUP = "placeholders"
KINDS = ("textual_inversion", PIVOTAL, "lora", "loha", "lokr")
"""Of adapters: words, words with a LoRA, and that LoRA in a file of its own."""


class TextualInversionTrainer(Trainer[TextualInversionSettings]):
    """Trains a few vectors in the place of new tokens' embeddings; with ``pivotal`` a LoRA as well.

    It starts as an identity for every text without the new words. With them there is nothing to be
    identical to: the base cannot read them.
    """

    kind = "textual_inversion"
    Settings = TextualInversionSettings

    @classmethod
    def check(cls, settings: TextualInversionSettings, family: Family) -> Iterable[str]:
        if settings.pivotal is not None:
            yield from init_problems(settings.pivotal, family, "trainer.pivotal")

    @property
    def trains_text_encoder(self) -> bool:
        return True

    def examples(self, curated: CuratedSet) -> Sequence[Example]:
        """Every kept picture; with templates its caption is the new words alone, which `loss` fills in."""
        examples = super().examples(curated)
        if not sentences(self.settings.templates):
            return examples
        return [replace(example, caption=self.context.trigger) for example in examples]

    def attach(self) -> list[ParamGroup]:
        """Add the words to tokenizers and text encoders and, with ``pivotal``, the LoRA to the base.

        Raises:
            RecipeError: the base knows a word already, or an initialiser is none of the base's words.
        """
        base = self.base
        for part in (base.unet, *base.text_encoders):
            part.requires_grad_(False)
        words = self.settings.words_for(self.context.trigger)
        self._vectors = start_vectors(base, self.settings, words, self.context.seed)
        self._before = self._copies()
        self._tokens = self._put_in()
        try:
            self._lora, lora_groups = self._attach_lora()
        except RecipeError:
            self._tokens.take_out()
            raise
        rate, stop_after = self.settings.learning_rate, self.settings.stop_after
        return [ParamGroup(GROUP, self._parameters(), rate, stop_after), *lora_groups]

    def loss(self, batch: Batch, streams: RandomStreams) -> Tensor:
        """The denoising loss on sentences about the new words; a dropped caption stays dropped."""
        self._before = self._copies()
        templates = sentences(self.settings.templates)
        if templates:
            words = self.context.trigger
            captions = [
                drawn_caption(templates, words, streams, address) if caption else ""
                for caption, address in zip(batch.captions, batch.addresses, strict=True)
            ]
            batch = replace(batch, captions=captions, conditioning=None)
        return super().loss(batch, streams)

    def after_step(self) -> None:
        """Hold vectors that moved in check; those whose learning has stopped stay bit for bit."""
        for name, vectors in self._named_vectors():
            if not torch.equal(vectors.rows, self._before[name]):
                vectors.hold(self.settings)
        if self._lora is not None:
            self._lora.after_step()

    @contextmanager
    def detached(self) -> Iterator[None]:
        with self._tokens.removed(), ExitStack() as stack:
            if self._lora is not None:
                stack.enter_context(self._lora.detached())
            yield

    def adapter(self) -> Adapter:
        tensors = {n: t.float().cpu() for n, t in self._copies().items()}
        if self._lora is not None:
            tensors |= self._lora.tensors()
        return Adapter(self.header(None if self._lora is None else PIVOTAL), tensors)

    @classmethod
    @contextmanager
    def apply(cls, adapter: Adapter, base: BaseModel, strength: float = 1.0) -> Iterator[None]:
        """Put the words, and with ``pivotal`` the LoRA, on a clean base.

        For the words strength acts on what the text encoders say of a text; see `strength`.

        Raises:
            AdapterError: another kind or family, a word that the base knows, or vectors or layers that
                do not fit it.
        """
        require_fit(adapter, base, KINDS)
        weights, words = weights_and_words(adapter)
        with merged(weights.tensors, base, strength):
            if not words.tensors:
                yield
                return
            vectors = words_of(words)
            tokens = _put_on(base, vectors)
            try:
                with at_strength(base, list(vectors), strength):
                    yield
            finally:
                tokens.take_out()

    def _put_in(self) -> PlaceholderTokens:
        rows = [{word: v.rows for word, v in known.items()} for known in self._vectors]
        try:
            return PlaceholderTokens(self.base, rows)
        except ValueError as error:
            given = self.settings.placeholder_tokens
            where = "trainer.placeholder_tokens" if given else "dataset.trigger"
            raise RecipeError(
                [f"{where}: {error}; brackets around it, as in <toy>, make a new one"]
            ) from error

    def _attach_lora(self) -> tuple[LoraLayers | None, list[ParamGroup]]:
        pivotal, base = self.settings.pivotal, self.base
        if pivotal is None:
            return None, []
        texts = PARTS[: len(base.text_encoders)] if pivotal.train_text_encoder else ()
        layers = LoraLayers(pivotal, base, ("unet", *texts), self.context.seed)
        text_rate = pivotal.text_encoder_learning_rate or pivotal.learning_rate
        groups = layers.param_groups(text_encoder_learning_rate=text_rate)
        return layers, [
            replace(g, learning_rate=g.learning_rate or pivotal.learning_rate) for g in groups
        ]

    def _parameters(self) -> dict[str, nn.Parameter]:
        return {name: vectors.rows for name, vectors in self._named_vectors()}

    def _copies(self) -> dict[str, Tensor]:
        return {name: p.detach().clone() for name, p in self._parameters().items()}

    def _named_vectors(self) -> Iterator[tuple[str, TrainedVectors]]:
        """Each word's vectors in each text encoder, by their neutral names."""
        for part, known in zip(PARTS, self._vectors, strict=False):
            for word, vectors in known.items():
                yield f"{part}.{word}", vectors


def _put_on(base: BaseModel, words: dict[str, Vectors]) -> PlaceholderTokens:
    """The words on the base, frozen."""
    rows: list[dict[str, nn.Parameter]] = []
    for part, encoder in zip(PARTS, base.text_encoders, strict=False):
        width = vocabulary(encoder).shape[1]
        of_part = {word: vectors.get(part) for word, vectors in words.items()}
        for word, vectors in of_part.items():
            if vectors is None or vectors.shape[1] != width:
                given = "no vectors" if vectors is None else f"vectors {vectors.shape[1]} wide"
                raise AdapterError(
                    f"{word!r} has {given} for a text encoder of width {width}: it was made for "
                    f"another base than {base.name}; choose one that fits"
                )
        rows.append(
            {w: nn.Parameter(v, requires_grad=False) for w, v in of_part.items() if v is not None}
        )
    try:
        return PlaceholderTokens(base, rows)
    except ValueError as error:
        raise AdapterError(
            f"{error}; rename the file to a word that the base does not know"
        ) from error
