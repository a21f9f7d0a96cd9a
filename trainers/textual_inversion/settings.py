"""The ``trainer:`` section of a textual inversion recipe."""

from __future__ import annotations

import re
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from studio.settings import TrainerSettings
from studio.training.lora.settings import LoraWeights
from trainers.textual_inversion.templates import FILLER

MAX_VECTORS = 64
_ENDS_AS_A_VECTOR = re.compile(r"_\d+$")
_FORBIDDEN = re.compile(r"[\s./\\]")
_NOT_IN_FILE_NAMES = re.compile(r"[^\w-]")


class PivotalSettings(LoraWeights):
    """The LoRA that is trained together with the new words."""

    variant: Literal["lora", "loha", "lokr"] = "lora"
    """How a change is made of few numbers, as for ``lora``; ``oft`` has no file that holds words too."""

    learning_rate: float | None = Field(None, gt=0, le=10)
    """Learning rate of the LoRA in the U-Net. Empty: the recipe's. Usual: 1e-4, a tenth or less of the
    words' own."""

    train_text_encoder: bool = False
    """Give the text encoders a LoRA too. Seldom needed, for the new words learn there already."""

    text_encoder_learning_rate: float | None = Field(None, gt=0, le=10)
    """Learning rate of the LoRA in the text encoders. Empty: as the U-Net's; half of it is usual."""

    @model_validator(mode="after")
    def _rate_of_something(self) -> Self:
        rate = self.text_encoder_learning_rate
        if rate is not None and not self.train_text_encoder:
            raise ValueError(
                f"text_encoder_learning_rate: {rate} has no effect; set train_text_encoder: true as "
                "well, or leave it out"
            )
        return self


class TextualInversionSettings(TrainerSettings):
    """Textual inversion (Gal et al., 2023, arXiv 2208.01618): the base stays as it is, it learns words."""

    kind: Literal["textual_inversion"] = "textual_inversion"
    """The method."""

    leading: ClassVar[tuple[str, ...]] = ("num_vectors",)

    placeholder_tokens: tuple[str, ...] = ()
    """The new words, in lower case and without blanks, such as ``<mascot>``; words that the base knows are
    refused. Empty: the dataset's trigger, which is usual; give one of the two. All of them are learned from
    all pictures. The webuis call a word by its file's name, which leaves brackets out."""

    num_vectors: int = Field(1, ge=1, le=MAX_VECTORS)
    """Vectors a word: each takes the room of one token in the prompt. 1 to 2 for an object, 4 to 16 for a
    style; more holds more and follows the rest of the prompt less."""

    initializer_words: tuple[str, ...] = ()
    """What each new word starts from: a known word or a few, such as ``toy`` or ``red cat``. They are dealt
    out to the vectors in order; where there are more words than vectors, vectors start from their mean.
    A word that the base has to spell in pieces is refused. Empty: chance, as long as an average word."""

    templates: Literal["object", "style", "captions"] | tuple[str, ...] = "object"
    """The sentences that pictures are shown with: a score about an ``object``, a score about a ``style``,
    the pictures' own ``captions`` with the new words in them, or a list of your own in which ``{}`` is the
    new word."""

    norm: Literal["keep", "free", "limit"] = "limit"
    """How long a vector may get. ``keep``: always as long as the mean of the vocabulary; ``limit``: at
    most as long as the longest of the vocabulary; ``free``: any length, as in the paper. Long vectors
    drown the rest of the prompt."""

    initializer_decay: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the way back to where it started that a vector takes after each step. 0 to 0.01: more
    keeps the word close to its first meaning and easier to combine."""

    learning_rate: float | None = Field(None, gt=0, le=10)
    """Learning rate of the words. Empty: the recipe's. Vectors bear much more than weights: 1e-3 to 5e-3
    is usual."""

    stop_after: float | None = Field(None, gt=0, le=1)
    """Share of the run after which the words stay as they are and only the pivotal LoRA goes on. Usual: 0.5
    to 0.8. Empty: they train to the end."""

    pivotal: PivotalSettings | None = None
    """Train a LoRA together with the words (pivotal tuning, after Roich et al., 2021, arXiv 2106.05744):
    the words name the subject, the LoRA draws it. Empty: words alone."""

    @field_validator("placeholder_tokens")
    @classmethod
    def _words_of_their_own(cls, tokens: tuple[str, ...]) -> tuple[str, ...]:
        problem = next(filter(None, map(placeholder_problem, tokens)), None)
        if problem:
            raise ValueError(problem)
        if len({_NOT_IN_FILE_NAMES.sub("", token) for token in tokens}) < len(tokens):
            raise ValueError(
                f"{', '.join(tokens)} would be one file's name twice; choose words of other letters"
            )
        return tokens

    @field_validator("templates")
    @classmethod
    def _templates_with_room(cls, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not given:
            raise ValueError("an empty list; write at least one sentence with {} in it")
        lacking = [] if isinstance(given, str) else [t for t in given if FILLER not in t]
        if lacking:
            raise ValueError(f'"{lacking[0]}" has no {{}}; write it where the new word goes')
        return given

    @model_validator(mode="after")
    def _words_for_each(self) -> Self:
        given, needed = len(self.initializer_words), len(self.placeholder_tokens) or 1
        if given not in (0, needed):
            raise ValueError(
                f"initializer_words: {given} for {needed} new words; give one entry for each "
                "(several words in one entry are fine)"
            )
        if self.stop_after is not None and self.pivotal is None:
            raise ValueError(
                f"stop_after: {self.stop_after:g} leaves nothing to train without pivotal; lower the "
                "budget instead"
            )
        return self

    def trigger_for(self, dataset_trigger: str) -> str:
        if self.placeholder_tokens:
            words = " ".join(self.placeholder_tokens)
            if dataset_trigger not in ("", words):
                raise ValueError(
                    f'"{dataset_trigger}" would not be learned: trainer.placeholder_tokens names '
                    f'"{words}"; leave one of the two out'
                )
            return words
        if not dataset_trigger:
            raise ValueError("missing; write the new word, such as <toy>")
        problem = placeholder_problem(dataset_trigger)
        if problem:
            raise ValueError(f"{problem}, or name the word in trainer.placeholder_tokens")
        return dataset_trigger

    def words_for(self, trigger: str) -> tuple[str, ...]:
        """The new words, one by one, that `trigger_for` has joined to ``trigger``."""
        return self.placeholder_tokens or (trigger,)


def placeholder_problem(token: str) -> str | None:
    """Why a word cannot be a placeholder, as a clause; None where it can."""
    if not token or _FORBIDDEN.search(token):
        return f'"{token}" cannot be a new word; write one without blanks, dots and slashes'
    if token != token.lower():
        return f'"{token}" has capitals, which the base never sees; write "{token.lower()}"'
    if _ENDS_AS_A_VECTOR.search(token):
        return f'"{token}" ends as the further vectors of a word do; leave out the number'
    return None
