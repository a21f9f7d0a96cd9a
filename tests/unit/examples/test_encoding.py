from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from studio.bases.base_model import BaseModel
from studio.curation.settings import CaptionSettings, DatasetSettings
from studio.errors import DatasetError
from studio.examples.buckets import Bucket
from studio.examples.captions import encode_captions
from studio.examples.encoding import EncodedExamples, encode_examples
from studio.examples.example import Example
from studio.examples.framing import Framing
from studio.examples.latent_cache import LatentCache
from studio.examples.loader import ExampleLoader
from studio.examples.preparation import pixel_values
from studio.examples.tensor_store import module_digest
from studio.training.randomness import RandomStreams

SETTINGS = DatasetSettings(source="pictures", flip_probability=0.5)
CPU = torch.device("cpu")


def test_pixel_values_are_cropped_around_the_centre_and_not_stretched(tmp_path: Path) -> None:
    image = Image.new("RGB", (300, 100), (255, 0, 0))
    image.paste((0, 255, 0), (100, 0, 200, 100))
    image.save(tmp_path / "flag.png")
    pixels = pixel_values(tmp_path / "flag.png", Bucket(64, 64))
    assert pixels.shape == (3, 64, 64)
    middle = pixels[:, :, 4:-4]
    assert torch.equal(middle[1], torch.ones_like(middle[1]))
    assert torch.equal(middle[0], -torch.ones_like(middle[0]))


def test_flipped_pixels_are_mirrored(tiny_examples: list[Example]) -> None:
    bucket = Bucket(64, 64)
    plain = pixel_values(tiny_examples[0].path, bucket)
    mirrored = pixel_values(tiny_examples[0].path, bucket, Framing(flipped=True))
    assert torch.equal(mirrored, plain.flip(-1))
    assert not torch.equal(mirrored, plain)


def test_moments_are_those_of_the_vae(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    bucket = Bucket(64, 64)
    moments = LatentCache(tiny_base, tmp_path / "cache").moments(
        tiny_examples[0], bucket, Framing()
    )
    with torch.no_grad():
        pixels = pixel_values(tiny_examples[0].path, bucket)
        posterior = tiny_base.vae.encode(pixels[None]).latent_dist
    assert torch.equal(moments.mean, posterior.mean[0])
    assert torch.equal(moments.std, posterior.std[0])
    assert moments.latents(torch.zeros_like(moments.mean), 2.0).equal(2 * moments.mean)


class CountingVae:
    """Counts how often a VAE encodes."""

    def __init__(self, base: BaseModel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        encode = base.vae.encode

        def counted(pixels: torch.Tensor) -> object:
            self.calls += 1
            return encode(pixels)

        monkeypatch.setattr(base.vae, "encode", counted)


def test_what_is_cached_is_not_encoded_again_and_damage_is_repaired(
    tiny_base: BaseModel,
    tiny_examples: list[Example],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "cache"
    first = encode_examples(tiny_examples, tiny_base, SETTINGS, folder, encode_text=True)
    files = sorted((folder / "latents").iterdir())
    assert len(files) == 2 * len(tiny_examples)
    whole = [file.read_bytes() for file in files]
    files[0].write_bytes(whole[0][:100])
    files[1].write_bytes(whole[1][:-1] + bytes([whole[1][-1] ^ 1]))
    files[2].unlink()

    vae = CountingVae(tiny_base, monkeypatch)
    again = encode_examples(tiny_examples, tiny_base, SETTINGS, folder, encode_text=True)
    assert vae.calls == 3
    assert [file.read_bytes() for file in files] == whole
    for old, new in zip(first.renditions, again.renditions, strict=True):
        assert [r.framing.flipped for r in new] == [False, True]
        assert all(o.moments.mean.equal(n.moments.mean) for o, n in zip(old, new, strict=True))


@pytest.mark.parametrize("part", ["vae", "text_encoders"])
def test_another_base_shares_only_what_is_equal(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path, part: str
) -> None:
    folder = tmp_path / "cache"
    encode_examples(tiny_examples, tiny_base, SETTINGS, folder, encode_text=True)
    kept = {f: len(list((folder / f).iterdir())) for f in ("latents", "text")}
    module = tiny_base.vae if part == "vae" else tiny_base.text_encoder
    with torch.no_grad():
        next(module.parameters()).add_(0.1)
    encode_examples(tiny_examples, tiny_base, SETTINGS, folder, encode_text=True)
    now = {f: len(list((folder / f).iterdir())) for f in ("latents", "text")}
    changed = "latents" if part == "vae" else "text"
    assert now == kept | {changed: 2 * kept[changed]}


def test_hidden_states_are_those_of_the_text_encoder(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    encoded = encode_examples(tiny_examples, tiny_base, SETTINGS, tmp_path / "c", encode_text=True)
    assert encoded.conditionings is not None
    assert set(encoded.conditionings) == {"", *(e.caption for e in tiny_examples)}
    with torch.no_grad():
        expected = encode_captions(tiny_base, ["thing 3"]).hidden_states
    assert encoded.conditionings["thing 3"].hidden_states.equal(expected)


def test_no_example_is_an_error(tiny_base: BaseModel, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no picture"):
        encode_examples([], tiny_base, SETTINGS, tmp_path, encode_text=True)


def test_the_digest_follows_captions_pictures_and_weights(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    def digest(examples: list[Example]) -> str:
        return encode_examples(examples, tiny_base, SETTINGS, tmp_path, encode_text=True).digest

    first, *rest = tiny_examples
    digests = {
        digest(tiny_examples),
        digest([replace(first, caption="other"), *rest]),
        digest([replace(first, weight=0.5), *rest]),
        digest([replace(first, digest="0"), *rest]),
        digest([replace(first, width_px=200), *rest]),
    }
    assert len(digests) == 5


def test_batches_are_a_function_of_their_number(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"caption_dropout": 0.4})
    encoded = encode_examples(tiny_examples, tiny_base, settings, tmp_path, encode_text=True)
    one, two = (ExampleLoader(encoded, 2, RandomStreams(0), CPU) for _ in range(2))
    numbers = range(20)
    forwards = [one.batch(number) for number in numbers]
    backwards = [two.batch(number) for number in reversed(numbers)][::-1]
    for a, b in zip(forwards, backwards, strict=True):
        assert a.latents.equal(b.latents)
        assert a.captions == b.captions
        assert a.addresses == b.addresses
    captions = [caption for batch in forwards for caption in batch.captions]
    assert 8 <= captions.count("") <= 24
    assert {tuple(batch.latents.shape[2:]) for batch in forwards} == {(8, 8), (6, 11)}


def test_captions_follow_their_pictures(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    settings = DatasetSettings(source="pictures", caption_dropout=0)
    encoded = encode_examples(tiny_examples, tiny_base, settings, tmp_path, encode_text=True)
    loader = ExampleLoader(encoded, 3, RandomStreams(0), CPU)
    assert encoded.conditionings is not None
    for number in range(6):
        batch = loader.batch(number)
        assert batch.captions == [f"thing {item}" for item in batch.items]
        assert batch.conditioning is not None
        for caption, states in zip(batch.captions, batch.conditioning.hidden_states, strict=True):
            assert states.equal(encoded.conditionings[caption].hidden_states[0])


def test_without_cached_text_a_batch_has_captions_only(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    encoded = encode_examples(tiny_examples, tiny_base, SETTINGS, tmp_path, encode_text=False)
    assert ExampleLoader(encoded, 2, RandomStreams(0), CPU).batch(0).conditioning is None


def test_the_cache_of_an_earlier_studio_is_found_again(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    """Crops got addresses of their own; the centred picture kept the one it had."""
    folder = tmp_path / "cache"
    LatentCache(tiny_base, folder).moments(tiny_examples[0], Bucket(64, 64), Framing())
    parts = ("lanczos-cover-centre-1", tiny_examples[0].digest, "64x64", "as-is")
    address = "/".join((*parts, module_digest(tiny_base.vae)))
    name = hashlib.sha256(address.encode()).hexdigest()
    assert [file.stem for file in folder.iterdir()] == [name]


def test_crops_are_cached_once_each_and_told_apart_by_the_digest(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    settings = DatasetSettings(source="pictures", crop="random", crops_per_image=3)
    encoded, again = (
        encode_examples(tiny_examples, tiny_base, settings, tmp_path, encode_text=False, seed=7)
        for _ in range(2)
    )
    other = encode_examples(tiny_examples, tiny_base, settings, tmp_path, encode_text=False, seed=8)
    # Squares fit their bucket; the two wide ones stand over.
    assert [len(renditions) for renditions in encoded.renditions] == [1, 1, 1, 3, 3]
    assert len(list((tmp_path / "latents").iterdir())) == 3 + 2 * (2 * 3)
    assert encoded.digest == again.digest != other.digest
    batches = [ExampleLoader(encoded, 3, RandomStreams(0), CPU).batch(n) for n in range(20)]
    wide = [b for b in batches if b.latents.shape[2:] == (6, 11)]
    lefts = {float(row[3]) for b in wide for row in b.time_ids}
    assert lefts == {
        float(r.time_ids[3]) for renditions in encoded.renditions[3:] for r in renditions
    }


def test_captions_with_few_outcomes_are_encoded_ahead_and_others_in_the_step(
    tiny_base: BaseModel, tiny_examples: list[Example], tmp_path: Path
) -> None:
    examples = [replace(tiny_examples[0], caption="{red|blue}, thing"), *tiny_examples[1:]]

    def encode(**caption: object) -> EncodedExamples:
        settings = DatasetSettings(source="p", caption=CaptionSettings.model_validate(caption))
        return encode_examples(examples, tiny_base, settings, tmp_path, encode_text=True)

    few = encode(wildcards=True)
    assert few.conditionings is not None
    assert {"red, thing", "blue, thing"} < set(few.conditionings)
    assert "{red|blue}, thing" not in few.conditionings
    loader = ExampleLoader(few, 2, RandomStreams(0), CPU)
    assert {c for n in range(30) for c in loader.batch(n).captions} == set(few.conditionings)

    many = encode(shuffle_tags=True)
    assert many.conditionings is None
    assert ExampleLoader(many, 2, RandomStreams(0), CPU).batch(0).conditioning is None
