"""Datasets on the Hugging Face hub, which is played here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import datasets
import pytest
from datasets import Dataset
from huggingface_hub import HfApi

from studio.curation.sources.folder import as_folder


@pytest.fixture
def hub(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A hub whose only dataset is `captioned`; counts what is asked of it."""
    state = SimpleNamespace(online=True, commit="1" * 40, loaded=[])

    def dataset_info(_self: HfApi, repo: str, *, revision: str, timeout: float) -> Any:
        if not state.online:
            raise ConnectionError("no network")
        return SimpleNamespace(sha=state.commit)

    def load_dataset(*arguments: Any, **options: Any) -> Dataset:
        state.loaded.append((arguments, options))
        if not state.online:
            raise ConnectionError("no network")
        if options["split"] == "tset":
            raise ValueError('Unknown split "tset". Should be one of\n["train"].')
        return dataset

    monkeypatch.setattr(HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return state


def test_a_dataset_on_the_hub(hub, captioned, contents):
    unpacked = as_folder("hf:owner/name/subset@v1:train[:50%]")
    assert contents(unpacked) == contents(captioned)
    assert hub.loaded == [
        (
            ("hf://datasets/owner/name", "subset"),
            {"revision": "1" * 40, "split": "train[:50%]"},
        )
    ]


def test_the_hub_is_asked_for_news_and_not_for_what_is_here(hub):
    first = as_folder("hf:owner/name")
    hub.online = False
    assert as_folder("hf:owner/name") == first
    assert len(hub.loaded) == 1
    hub.online, hub.commit = True, "2" * 40
    assert as_folder("hf:owner/name") != first
    assert as_folder(f"hf:owner/name@{'1' * 40}") == first


def test_without_a_network_the_hub_is_one_line(hub, refused):
    hub.online = False
    refused("hf:owner/name", "hf:owner/name cannot be had", "no network", "give a folder")
    refused(f"hf:owner/name@{'3' * 40}", "cannot be had")


def test_a_split_that_the_dataset_has_not(hub, refused):
    refused("hf:owner/name:tset", 'one of ["train"]', "@revision:split")


def test_the_librarys_own_offline_mode_is_one_line(refused, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    refused("hf:owner/name", "hf:owner/name cannot be had", "HF_HUB_OFFLINE")


@pytest.mark.parametrize("given", ["hf:", "hf:name", "hf:a/b/c/d", "hf:a/b@", "hf:a b/c"])
def test_a_name_that_the_hub_cannot_have(refused, given):
    refused(given, f"{given} is no data set's name", "hf:owner/name")
