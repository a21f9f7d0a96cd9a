"""What moves where, on a GPU that is played: modules that write down every move."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import nn

from studio.bases import placement
from studio.bases.base_model import BaseModel
from studio.bases.placement import Shelf, place, visiting, weight_bytes
from studio.preview.decoding import SWITCHES, decoding_bytes, sparing, tile_side_px
from studio.preview.sampler import pictures_at_once

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SDXL_VAE = (128, 256, 512, 512)


class Spy(nn.Module):
    """A module that believes itself to be where it was last sent."""

    def __init__(self, name: str, log: list[tuple[str, str]], device: torch.device) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1000))
        self.name, self.log, self.device = name, log, device

    def to(self, device: Any) -> Spy:  # type: ignore[override]
        self.device = torch.device(device)
        self.log.append((self.name, self.device.type))
        return self


class FakePipe:
    def __init__(self, base: BaseModel) -> None:
        self.base, self.said = base, list[Any]()

    def enable_model_cpu_offload(self, device: torch.device) -> None:
        self.said.append(device)
        for module in self.base.modules:
            module.to("cpu")

    def remove_all_hooks(self) -> None:
        self.said.append("done")


class Played:
    """A base of three spies."""

    def __init__(self, device: torch.device) -> None:
        self.log: list[tuple[str, str]] = []
        unet, vae, text = (Spy(name, self.log, device) for name in ("unet", "vae", "text"))
        self.base = BaseModel(
            name="played",
            family="sd1",
            digest="",
            resolution_px=64,
            unet=cast("Any", unet),
            vae=cast("Any", vae),
            text_encoders=[cast("Any", text)],
            tokenizers=[],
            noise_scheduler=cast("Any", None),
        )

    @property
    def places(self) -> set[str]:
        return {module.device.type for module in self.base.modules}


@pytest.mark.parametrize(
    ("offload", "room", "expected"),
    [
        ("auto", 1, "cuda"),
        ("auto", -1, "cpu"),
        ("none", -1, "cuda"),
        ("model", 1, "cpu"),
    ],
)
def test_a_base_goes_to_the_gpu_where_there_is_room(
    offload: Any, room: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played(CPU)
    needed = weight_bytes(played.base.modules) + placement.WORKING_BYTES
    monkeypatch.setattr(placement, "free_bytes", lambda _: needed + room)
    place(played.base, GPU, offload)
    assert played.places == {expected}
    assert played.base.offload_to == (None if expected == "cuda" else GPU)


@pytest.mark.parametrize("offload", ["auto", "none", "model"])
def test_without_a_gpu_nothing_is_offloaded(offload: Any) -> None:
    played = Played(CPU)
    place(played.base, CPU, offload)
    pipe = FakePipe(played.base)
    with visiting([pipe], [played.base], offload):
        pass
    assert played.base.offload_to is None
    assert pipe.said == []


def test_parts_visit_the_gpu_only_while_pictures_are_drawn() -> None:
    waiting, resident, wished = Played(CPU), Played(GPU), Played(GPU)
    waiting.base.offload_to = GPU
    for played, offload, said, home in (
        (waiting, "auto", [GPU, "done"], "cpu"),
        (resident, "auto", [], "cuda"),
        (wished, "model", [GPU, "done"], "cuda"),
    ):
        pipe = FakePipe(played.base)
        with pytest.raises(KeyError), visiting([pipe], [played.base], cast("Any", offload)):
            raise KeyError
        assert pipe.said == said
        assert played.places == {home}


def test_what_is_put_away_comes_back_for_a_block() -> None:
    played = Played(GPU)
    shelf = Shelf([cast("Any", played.base.vae), *played.base.text_encoders], GPU)
    shelf.put_away()
    assert played.log == [("vae", "cpu"), ("text", "cpu")]
    played.log.clear()
    with shelf.at_hand():
        assert played.log == [("vae", "cuda"), ("text", "cuda")]
    assert played.log[2:] == [("vae", "cpu"), ("text", "cpu")]
    assert played.base.device.type == "cuda"


def test_what_is_away_for_a_block_is_at_hand_for_one_within() -> None:
    played = Played(GPU)
    shelf = Shelf([cast("Any", played.base.unet)], GPU)
    with shelf.away():
        assert played.places == {"cpu", "cuda"}
        with shelf.at_hand():
            assert played.places == {"cuda"}
    assert played.log == [("unet", to) for to in ("cpu", "cuda", "cpu", "cuda")]


def test_on_the_cpu_nothing_is_put_away() -> None:
    played = Played(CPU)
    shelf = Shelf(played.base.modules, CPU)
    shelf.put_away()
    with shelf.at_hand():
        pass
    assert played.log == []


@pytest.mark.parametrize(
    ("side_px", "free", "expected"),
    [
        (1024, None, 1024),
        (2048, None, 1024),
        (1024, decoding_bytes(SDXL_VAE, 1024), 1024),
        (1024, decoding_bytes(SDXL_VAE, 1024) - 1, 512),
        (1024, 0, 256),
    ],
)
def test_tiles_where_a_picture_is_too_large_for_the_base_or_the_gpu(
    side_px: int, free: int | None, expected: int
) -> None:
    assert tile_side_px(SDXL_VAE, side_px, 1024, free) == expected


def test_a_gpu_decodes_one_by_one_and_in_tiles_for_the_block(
    tiny_base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae: Any = tiny_base.vae
    before = [getattr(vae, name) for name in SWITCHES]
    with sparing(tiny_base, 64):
        assert [getattr(vae, name) for name in SWITCHES] == before  # on the CPU as ever
    tiny_base.offload_to = GPU
    tiny_base.resolution_px = 1024
    monkeypatch.setattr("studio.preview.decoding.free_bytes", lambda _: 0)
    with sparing(tiny_base, 1024):
        assert [getattr(vae, name) for name in SWITCHES] == [True, True, 256, 32]
        latents = torch.zeros(2, 4, 40, 40)
        assert vae.decode(latents).sample.shape == (2, 3, 320, 320)
    assert [getattr(vae, name) for name in SWITCHES] == before


def test_pictures_are_drawn_one_by_one_where_parts_visit_the_gpu(tiny_base: BaseModel) -> None:
    assert pictures_at_once(tiny_base) > 1
    tiny_base.offload_to = GPU
    assert pictures_at_once(tiny_base) == 1
