"""What the contract does not ask of textual inversion: words, starts, norms, sentences, strength."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from studio.adapters.adapter import Adapter
from studio.bases.base_model import BaseModel
from studio.errors import AdapterError, RecipeError
from studio.examples.batch import Batch
from studio.examples.captions import encode_captions
from studio.examples.tensor_store import content_digest
from studio.training.randomness import RandomStreams
from studio.training.trainer import ParamGroup, TrainingContext
from trainers.textual_inversion.captions import drawn_caption
from trainers.textual_inversion.settings import TextualInversionSettings
from trainers.textual_inversion.templates import OBJECT, STYLE
from trainers.textual_inversion.trainer import TextualInversionTrainer

STREAMS = RandomStreams(9)


def new_trainer(base: BaseModel, trigger: str = "trig", **settings: Any) -> TextualInversionTrainer:
    context = TrainingContext(resolution_px=64, seed=3, trigger=trigger)
    return TextualInversionTrainer(TextualInversionSettings(**settings), base, context)


def vocabulary(base: BaseModel, encoder: int = 0) -> torch.Tensor:
    weight: torch.Tensor = base.text_encoders[encoder].get_input_embeddings().weight
    return weight.detach()


def token(base: BaseModel, word: str) -> int:
    (found,) = base.tokenizer(word, add_special_tokens=False).input_ids
    return int(found)


def rows_of(groups: list[ParamGroup]) -> dict[str, torch.nn.Parameter]:
    return {name: p for group in groups for name, p in group.parameters.items()}


@torch.no_grad()
def states(base: BaseModel, text: str) -> torch.Tensor:
    return encode_captions(base, [text]).hidden_states


def one_batch(*captions: str) -> Batch:
    count = len(captions)
    return Batch(
        latents=STREAMS.normal((count, 4, 8, 8), "latents", 0),
        conditioning=None,
        captions=list(captions),
        items=list(range(count)),
        views=[0] * count,
        weights=torch.ones(count),
    )


def trained(trainer: TextualInversionTrainer, steps: int = 2) -> Adapter:
    groups = trainer.attach()
    optimizer = torch.optim.AdamW(rows_of(groups).values(), lr=0.05, weight_decay=0)
    for _ in range(steps):
        trainer.loss(one_batch("trig"), STREAMS).backward()
        optimizer.step()
        optimizer.zero_grad()
        trainer.after_step()
    return trainer.adapter()


def test_only_the_new_rows_move(tiny_base: BaseModel) -> None:
    encoder = tiny_base.text_encoder
    before, matrix = content_digest(encoder.state_dict()), vocabulary(tiny_base).clone()
    trainer = new_trainer(tiny_base, num_vectors=2)
    groups = trainer.attach()
    start = {name: p.detach().clone() for name, p in rows_of(groups).items()}
    with trainer.detached():
        pass
    adapter = trained(new_trainer(tiny_base, trigger="other", num_vectors=2))
    assert {n: tuple(t.shape) for n, t in adapter.tensors.items()} == {
        "text_encoder.other": (2, vocabulary(tiny_base).shape[1])
    }
    assert all(torch.equal(p, start[name]) for name, p in rows_of(groups).items())
    with trainer.detached():
        assert torch.equal(vocabulary(tiny_base), matrix)
        assert content_digest(encoder.state_dict()) == before


def test_the_same_seed_gives_the_same_bytes(tiny_base: BaseModel) -> None:
    digests = []
    for disturbance in (1, 2):
        torch.manual_seed(disturbance)
        trainer = new_trainer(tiny_base, initializer_decay=0.01, norm="keep")
        digests.append(content_digest(trained(trainer).tensors))
        trainer._tokens.take_out()
    assert digests[0] == digests[1]


def test_every_text_encoder_of_sdxl_gets_its_own_rows(tiny_sdxl: BaseModel) -> None:
    groups = new_trainer(tiny_sdxl, trigger="<m>").attach()
    assert {n: tuple(p.shape) for n, p in rows_of(groups).items()} == {
        "text_encoder.<m>": (1, 32),
        "text_encoder_2.<m>": (1, 40),
    }
    conditioning = encode_captions(tiny_sdxl, ["a <m>"])
    assert conditioning.pooled is not None
    (conditioning.hidden_states.sum() + conditioning.pooled.sum()).backward()
    assert all(p.grad is not None and p.grad.any() for p in rows_of(groups).values())


@pytest.mark.parametrize(
    ("words", "num_vectors", "shares"),
    [
        ("a", 2, [["a"], ["a"]]),
        ("a b", 1, [["a", "b"]]),
        ("a b", 4, [["a"], ["a"], ["b"], ["b"]]),
        ("a b c", 2, [["a"], ["b", "c"]]),
    ],
)
def test_initialiser_words_are_dealt_out(
    tiny_base: BaseModel, words: str, num_vectors: int, shares: list[list[str]]
) -> None:
    ids = {word: token(tiny_base, word) for word in "abc"}
    trainer = new_trainer(
        tiny_base, initializer_words=(words,), num_vectors=num_vectors, norm="free"
    )
    rows = rows_of(trainer.attach())["text_encoder.trig"]
    expected = [vocabulary(tiny_base)[[ids[w] for w in share]].mean(dim=0) for share in shares]
    torch.testing.assert_close(rows.detach(), torch.stack(expected))


def test_an_initialiser_in_pieces_is_refused_and_changes_nothing(tiny_base: BaseModel) -> None:
    tokenizers = tiny_base.tokenizers
    with pytest.raises(RecipeError, match=r'"toy" only in pieces \(t o y</w>\)'):
        new_trainer(tiny_base, initializer_words=("toy",)).attach()
    with pytest.raises(RecipeError, match="an entry is empty"):
        new_trainer(tiny_base, initializer_words=(" ",)).attach()
    assert tiny_base.tokenizers is tokenizers


@pytest.mark.parametrize(
    ("settings", "where"), [({}, "dataset.trigger"), ({"placeholder_tokens": ("a",)}, "trainer")]
)
def test_a_word_that_the_base_knows_is_refused(
    tiny_base: BaseModel, settings: dict[str, Any], where: str
) -> None:
    with pytest.raises(RecipeError, match=rf"^{where}.*'a' is a word of the base model's vocab"):
        new_trainer(tiny_base, trigger="a", **settings).attach()
    assert len(tiny_base.tokenizer) == vocabulary(tiny_base).shape[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"placeholder_tokens": ("<a b>",)}, "without blanks"),
        ({"placeholder_tokens": ("<t>_1",)}, "further vectors"),
        ({"placeholder_tokens": ("<a>", "a")}, "twice"),
        ({"initializer_words": ("a", "b")}, "2 for 1 new words"),
        ({"templates": ("a picture",)}, "has no {}"),
        ({"templates": ()}, "empty list"),
        ({"stop_after": 0.5}, "leaves nothing to train"),
        ({"pivotal": {"variant": "oft"}}, "should be 'lora'"),
        ({"pivotal": {"text_encoder_learning_rate": 1e-5}}, "has no effect"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TextualInversionSettings(**settings)


@pytest.mark.parametrize("norm", ["keep", "limit", "free"])
def test_lengths_are_held_to_the_vocabulary(tiny_base: BaseModel, norm: str) -> None:
    lengths = vocabulary(tiny_base).norm(dim=1)
    trainer = new_trainer(tiny_base, norm=norm, num_vectors=2)
    rows = rows_of(trainer.attach())["text_encoder.trig"]
    with torch.no_grad():
        rows.copy_(torch.stack([10 * rows[0], 0.01 * rows[1]]))
    long, short = rows.detach().norm(dim=1).tolist()
    trainer.after_step()
    wanted = {
        "keep": [lengths.mean().item()] * 2,
        "limit": [lengths.max().item(), short],
        "free": [long, short],
    }
    assert rows.detach().norm(dim=1).tolist() == pytest.approx(wanted[norm], rel=1e-5)


def test_decay_goes_towards_the_start_and_rests_with_the_learning(tiny_base: BaseModel) -> None:
    trainer = new_trainer(tiny_base, initializer_decay=0.25, norm="free")
    rows = rows_of(trainer.attach())["text_encoder.trig"]
    start = rows.detach().clone()
    with torch.no_grad():
        rows.add_(1.0)
    trainer.after_step()
    torch.testing.assert_close(rows.detach(), start + 0.75)
    frozen = rows.detach().clone()
    trainer.loss(one_batch("trig"), STREAMS)  # a step of learning rate 0, as after `stop_after`
    trainer.after_step()
    assert torch.equal(rows, frozen)


def test_sentences_are_drawn_for_each_showing() -> None:
    drawn = [drawn_caption(OBJECT, "<m>", STREAMS, (view, 0)) for view in range(40)]
    assert drawn == [drawn_caption(OBJECT, "<m>", STREAMS, (view, 0)) for view in range(40)]
    assert len(set(drawn)) > 10
    assert all("<m>" in caption and "{}" not in caption for caption in drawn)
    for templates in (OBJECT, STYLE):
        assert len(set(templates)) == len(templates) >= 20


def test_the_loss_reads_sentences_and_leaves_dropped_captions_empty(
    tiny_base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[str]] = []

    def no_loss(base: BaseModel, batch: Batch, *_: Any) -> torch.Tensor:
        read.append(batch.captions)
        return torch.zeros(())

    monkeypatch.setattr("studio.training.trainer.denoising_loss", no_loss)
    batch = one_batch("trig", "")
    for settings in ({"templates": ("see {}!",)}, {"templates": "captions"}):
        trainer = new_trainer(tiny_base, **settings)
        trainer.attach()
        trainer.loss(batch, STREAMS)
        trainer._tokens.take_out()
    assert read == [["see trig!", ""], ["trig", ""]]


@pytest.mark.parametrize("name", ["tiny_base", "tiny_sdxl"])
def test_strength_is_a_line_between_the_bare_text_and_the_word(
    name: str, request: pytest.FixtureRequest
) -> None:
    base: BaseModel = request.getfixturevalue(name)
    trainer = new_trainer(base, trigger="<m>", num_vectors=2)
    trainer.attach()
    adapter = trainer.adapter()
    with trainer.detached():
        bare = states(base, "a <m> b")
        found = {}
        for strength in (0.0, 0.5, 1.0, 1.5):
            with TextualInversionTrainer.apply(adapter, base, strength):
                found[strength] = states(base, "a <m> b")
                torch.testing.assert_close(states(base, "a b"), states(base, "a b"))
    torch.testing.assert_close(found[0.0], bare)
    torch.testing.assert_close(found[0.5], (bare + found[1.0]) / 2)
    torch.testing.assert_close(found[1.5], found[1.0] + 0.5 * (found[1.0] - bare))
    assert not torch.allclose(found[1.0], bare, atol=1e-3)


def test_two_files_keep_their_own_strengths(tiny_base: BaseModel) -> None:
    """The text with both words is bilinear in the two strengths, whatever the order."""
    text, adapters = "<x> a <y>", []
    for word in ("<x>", "<y>"):
        trainer = new_trainer(tiny_base, trigger=word)
        trainer.attach()
        adapters.append(trainer.adapter())
        trainer._tokens.take_out()
    apply = TextualInversionTrainer.apply

    def at(x: float, y: float) -> torch.Tensor:
        with apply(adapters[0], tiny_base, x), apply(adapters[1], tiny_base, y):
            return states(tiny_base, text)

    corners = 0.5 * 0.75 * at(0, 0) + 0.5 * 0.75 * at(1, 0) + 0.5 * 0.25 * (at(0, 1) + at(1, 1))
    torch.testing.assert_close(at(0.5, 0.25), corners)
    with apply(adapters[1], tiny_base, 0.25), apply(adapters[0], tiny_base, 0.5):
        torch.testing.assert_close(states(tiny_base, text), corners)


def test_vectors_of_another_width_are_refused_in_one_line(
    tiny_base: BaseModel, tiny_sdxl: BaseModel
) -> None:
    trainer = new_trainer(tiny_base)
    trainer.attach()
    adapter = trainer.adapter()
    header = replace(adapter.header, family="sdxl")
    with (
        pytest.raises(AdapterError, match="no vectors for a text encoder of width 40") as caught,
        TextualInversionTrainer.apply(replace(adapter, header=header), tiny_sdxl),
    ):
        pytest.fail("applied")
    assert "\n" not in str(caught.value)


def test_an_svd_base_is_refused_before_loading() -> None:
    (problem,) = TextualInversionTrainer.problems(TextualInversionSettings(), "svd")
    assert "cannot teach Stable Video Diffusion" in problem
