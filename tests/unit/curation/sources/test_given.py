"""How a source is written."""

from __future__ import annotations

import pytest

from studio.curation.sources.given import absolute, shards, title
from studio.recipe import load_recipe, starter_recipe


def test_shards_of_a_pattern():
    assert shards("a-{08..10}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar"]
    assert shards("{0..1}/{1..2}.tar") == ["0/1.tar", "0/2.tar", "1/1.tar", "1/2.tar"]


@pytest.mark.parametrize("pattern", ["a-{3..1}.tar", "a-{0..999999999}.tar"])
def test_a_range_that_makes_no_sense(refused, pattern):
    refused(pattern, pattern, "give a range")


def test_missing_shards(tmp_path, picture, refused, entries):
    entries(tmp_path / "a-1.tar", ("a.png", picture))
    refused(tmp_path / "a-{0..5}.tar", "5 of the 6", "a-0.tar, a-2.tar, a-3.tar and 2 more")


def test_what_is_no_source(tmp_path, refused):
    (tmp_path / "a.rar").write_bytes(b"x")
    refused(tmp_path / "a.rar", "a.rar is a file", ".zip", "hf:owner/name")
    refused("owner/name", "write hf:owner/name")
    refused(tmp_path / "gone", "no folder", "check the path")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("/x/My Cats.zip", "My Cats"),
        ("shards-{000..003}.tar.gz", "shards-"),
        ("hf:owner/cats@v1:train", "cats"),
        ("pics.v2", "pics.v2"),
    ],
)
def test_what_a_source_is_called(given, name):
    assert title(given) == name


def test_recipes_know_every_kind(tmp_path, monkeypatch, pack):
    assert absolute("hf:owner/cats") == "hf:owner/cats"
    recipe = starter_recipe("hf:owner/cats:train")
    assert (recipe.name, recipe.dataset.source) == ("cats", "hf:owner/cats:train")
    pack("shards.tar")
    recipe = starter_recipe("part-{000..001}.tar")
    assert (recipe.name, recipe.dataset.source) == ("part", str(tmp_path / "part-{000..001}.tar"))
    text = "name: x\ndataset: {source: 'part-{000..001}.tar'}\ntrainer: {kind: lora}\n"
    (tmp_path / "r.yaml").write_text(text)
    monkeypatch.chdir("/")
    source = load_recipe(tmp_path / "r.yaml").dataset.source
    assert source == str(tmp_path / "part-{000..001}.tar")
