"""Every method is trained with the very words that its samples, preview and figures ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
import torch

from studio import session
from studio.bases.base_model import BaseModel
from studio.bases.identity import BaseIdentity
from studio.curation.manifest import CuratedSet, Picture
from studio.examples.batch import Batch
from studio.examples.example import Example
from studio.examples.loader import ExampleLoader
from studio.recipe import recipe_from_dict
from studio.reporter import Reporter
from studio.run_folder import RunFolder
from studio.session import Session
from studio.training.randomness import RandomStreams
from studio.training.trainer import Trainer

CAPTIONS = ["", "a red thing", "a blue thing", "Zorp, sleeping", "zorp flies"]
METHODS: dict[str, tuple[dict[str, Any], str, str]] = {
    "lora": ({"kind": "lora"}, "zorp", "zorp"),
    "hypernetwork": ({"kind": "hypernetwork"}, "my style", "my style"),
    "dreambooth": ({"kind": "dreambooth"}, "my zorp", "my zorp"),
    "dreambooth, a prompt": (
        {"kind": "dreambooth", "instance_prompt": "a photo of zorp dog"},
        "",
        "a photo of zorp dog",
    ),
    "dreambooth, prompt and trigger": (
        {"kind": "dreambooth", "instance_prompt": "a photo of zorp dog"},
        "zorp dog",
        "zorp dog",
    ),
    "dreambooth, captions": ({"kind": "dreambooth", "use_captions": True}, "zorp", "zorp"),
    "textual inversion": ({"kind": "textual_inversion"}, "zorp", "zorp"),
    "textual inversion, words": (
        {"kind": "textual_inversion", "placeholder_tokens": ["<a>", "<b>"]},
        "",
        "<a> <b>",
    ),
    "textual inversion, captions": (
        {
            "kind": "textual_inversion",
            "placeholder_tokens": ["zorp", "<b>"],
            "templates": "captions",
        },
        "",
        "zorp <b>",
    ),
    "pivotal tuning": ({"kind": "textual_inversion", "pivotal": {"rank": 2}}, "<m>", "<m>"),
}


class Stopped(Exception):
    """Raised in the place of what would take long."""


def curated(examples: Sequence[Example]) -> CuratedSet:
    pictures = tuple(
        Picture(e.path.name, e.digest, e.width_px, e.height_px, caption, "txt")
        for e, caption in zip(examples, CAPTIONS, strict=True)
    )
    return CuratedSet(source=examples[0].path.parent, pictures=pictures)


@pytest.fixture
def run(
    request: pytest.FixtureRequest,
    tiny_base: BaseModel,
    tiny_examples: list[Example],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Session:
    """A run of one method on the tiny base, with all of its tags left to chance."""
    trainer, trigger, _ = METHODS[request.param]
    found = curated(tiny_examples)
    dataset = {
        "source": str(found.source),
        "trigger": trigger,
        "caption_dropout": 0,
        "resolution": 64,
        "caption": {"tag_dropout": 1.0},
        "validation_share": 0,
    }
    recipe = recipe_from_dict(
        {
            "name": "x",
            "dataset": dataset,
            "trainer": trainer,
            "optimizer": {"train_batch_size": 1},
            "precision": {"num_threads": 1},
        }
    )
    monkeypatch.setattr(session, "load_base", lambda *_, **__: tiny_base)
    folder = RunFolder.create(tmp_path / "runs", recipe.name)
    return Session(folder, recipe, cast("BaseIdentity", None), found, Reporter())


def trained_on(run: Session, monkeypatch: pytest.MonkeyPatch) -> tuple[Trainer[Any], set[str]]:
    """The trainer as the run sets it up, and the texts of one showing of every picture."""
    texts: set[str] = set()
    trainers: list[Trainer[Any]] = []

    def read(_base: BaseModel, batch: Batch, *_: Any) -> torch.Tensor:
        texts.update(batch.captions)
        return torch.zeros(())

    def show(
        trainer: Trainer[Any], _: Any, loader: ExampleLoader, *__: Any, **___: Any
    ) -> NoReturn:
        trainers.append(trainer)
        for number in range(len(CAPTIONS)):
            trainer.loss(loader.batch(number), RandomStreams(0))
        raise Stopped

    for module in ("studio.training.trainer", "trainers.dreambooth.trainer"):
        monkeypatch.setattr(f"{module}.denoising_loss", read)
    monkeypatch.setattr(session, "fit", show)
    with pytest.raises(Stopped):
        run.train()
    return trainers[0], texts


def previewed(run: Session, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    prompts: list[str] = []

    def draw(_base: BaseModel, _adapters: Any, asked: list[str], *_: Any, **__: Any) -> NoReturn:
        prompts.extend(asked)
        raise Stopped

    monkeypatch.setattr(session, "sample_pairs", draw)
    with pytest.raises(Stopped):
        run.preview()
    return prompts


@pytest.mark.parametrize("run", METHODS, indirect=True)
def test_what_is_trained_is_what_is_asked_for(
    run: Session, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    words = METHODS[request.node.callspec.params["run"]][2]
    trainer, texts = trained_on(run, monkeypatch)
    assert texts
    assert [text for text in texts if words not in text] == []
    prompts = previewed(run, monkeypatch)
    assert prompts
    assert [prompt for prompt in prompts if words not in prompt] == []
    assert trainer.header().trigger == words
