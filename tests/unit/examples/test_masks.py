from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from torch.nn import functional

from studio.bases.base_model import BaseModel
from studio.curation.decode import open_alpha
from studio.curation.manifest import CuratedSet, Picture
from studio.curation.settings import DatasetSettings
from studio.errors import DatasetError, RecipeError
from studio.examples.buckets import Bucket
from studio.examples.encoding import encode_examples
from studio.examples.example import Example, default_examples
from studio.examples.framing import Framing
from studio.examples.loader import ExampleLoader
from studio.examples.masks import MaskSource, require_masks
from studio.examples.preparation import mask_values, pixel_values
from studio.recipe import recipe_from_dict
from studio.training.randomness import RandomStreams

SIZE_PX = (96, 64)


def spot(size_px: tuple[int, int] = SIZE_PX) -> Image.Image:
    """White on black, to one side: neither mirror nor crop leaves it where it is."""
    image = Image.new("L", size_px)
    ImageDraw.Draw(image).rectangle((8, 16, 47, 47), fill=255)
    return image


@pytest.fixture
def curated(tmp_path: Path) -> CuratedSet:
    """Two pictures, one in a folder within, each with its mask in another folder."""
    pictures = []
    for seed, name in enumerate(("a.png", "sub/b.jpg")):
        pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE_PX[::-1], 3), dtype=np.uint8)
        for place in (
            tmp_path / "pictures" / name,
            (tmp_path / "masks" / name).with_suffix(".png"),
        ):
            place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "pictures" / name)
        spot().save((tmp_path / "masks" / name).with_suffix(".png"))
        pictures.append(Picture(name, f"{seed}" * 64, *SIZE_PX, f"thing {seed}", "txt"))
    return CuratedSet(tmp_path / "pictures", tuple(pictures))


@pytest.fixture
def in_folder(tmp_path: Path) -> DatasetSettings:
    return DatasetSettings(
        source=str(tmp_path / "pictures"), mask="folder", mask_folder=str(tmp_path / "masks")
    )


def in_alpha(curated: CuratedSet) -> DatasetSettings:
    return DatasetSettings(source=str(curated.source), mask="alpha")


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1), st.booleans(), st.sampled_from([(64, 64), (48, 80), (80, 48)]))
def test_a_mask_goes_the_way_of_its_picture(
    tmp_path_factory: pytest.TempPathFactory, share: float, flipped: bool, size: tuple[int, int]
) -> None:
    """A mask that is also the picture: the latent's mask is the mean of the very pixels it covers."""
    path = tmp_path_factory.mktemp("mask") / "a.png"
    spot().save(path)
    framing, bucket = Framing(across=share, down=share, flipped=flipped), Bucket(*size)
    picture = (pixel_values(path, bucket, framing)[:1] + 1) / 2
    expected = functional.avg_pool2d(picture, 8)
    torch.testing.assert_close(mask_values(spot(), bucket, framing), expected, atol=0.03, rtol=0)


def test_a_mask_is_the_mean_over_the_pixels_of_a_latent() -> None:
    mask = Image.new("L", (16, 16))
    ImageDraw.Draw(mask).rectangle((0, 0, 3, 7), fill=255)
    ImageDraw.Draw(mask).rectangle((8, 8, 15, 9), fill=102)
    values = mask_values(mask, Bucket(16, 16))
    torch.testing.assert_close(values, torch.tensor([[[0.5, 0.0], [0.0, 0.1]]]))


def test_no_mask_counts_everywhere() -> None:
    assert mask_values(None, Bucket(48, 80)).equal(torch.ones(1, 10, 6))


def test_transparency_is_a_mask_and_a_solid_picture_has_none(tmp_path: Path) -> None:
    solid = Image.new("RGB", SIZE_PX, "red")
    solid.save(tmp_path / "solid.png")
    solid.putalpha(spot())
    solid.save(tmp_path / "clear.png")
    masks = MaskSource(DatasetSettings(source=str(tmp_path), mask="alpha"))
    clear = masks.mask(tmp_path / "clear.png", SIZE_PX)
    assert clear is not None
    assert np.array_equal(np.asarray(clear), np.asarray(spot()))
    assert masks.mask(tmp_path / "solid.png", SIZE_PX) is None


def test_alpha_stands_upright_as_its_picture_does(tmp_path: Path) -> None:
    image = Image.new("RGB", SIZE_PX, "red")
    image.putalpha(spot())
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    alpha = open_alpha(tmp_path / "a.png")
    assert alpha is not None
    turned = spot().transpose(Image.Transpose.ROTATE_270)
    assert np.array_equal(np.asarray(alpha), np.asarray(turned))


def test_masks_are_found_by_the_name_below_the_folder(
    curated: CuratedSet, in_folder: DatasetSettings
) -> None:
    require_masks(curated, in_folder)
    masks = MaskSource(in_folder)
    for picture in curated.pictures:
        assert masks.mask(curated.path_of(picture), SIZE_PX) is not None
    assert masks.mask(Path("elsewhere.png"), SIZE_PX) is None


def _without_one(folder: Path) -> None:
    (folder / "sub" / "b.png").unlink()


def _smaller(folder: Path) -> None:
    spot((48, 32)).save(folder / "a.png")


def _black(folder: Path) -> None:
    Image.new("L", SIZE_PX).save(folder / "a.png")


def _broken(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without_one, r"masks has no mask for b\.jpg; add"),
        (_smaller, r"a\.png has 48 x 32 px, its picture 96 x 64 px"),
        (_black, r"a\.png is black throughout"),
        (_broken, r"a\.png cannot be used"),
    ],
)
def test_masks_that_will_not_do_are_refused_in_one_line(
    curated: CuratedSet,
    in_folder: DatasetSettings,
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    spoil(Path(in_folder.mask_folder))
    with pytest.raises(DatasetError, match=message) as caught:
        require_masks(curated, in_folder)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_or_among_the_pictures_is_refused(
    curated: CuratedSet, in_folder: DatasetSettings
) -> None:
    gone = in_folder.model_copy(update={"mask_folder": str(curated.source.parent / "gone")})
    with pytest.raises(DatasetError, match=r"no folder .*gone; check"):
        require_masks(curated, gone)
    within = in_folder.model_copy(update={"mask_folder": str(curated.source / "sub")})
    with pytest.raises(DatasetError, match="would be learned from as pictures"):
        require_masks(curated, within)


def test_alpha_masks_where_no_picture_has_any_are_refused(curated: CuratedSet) -> None:
    with pytest.raises(DatasetError, match="none of the 2 pictures"):
        require_masks(curated, in_alpha(curated))


def test_a_recipe_without_masks_asks_for_none(curated: CuratedSet) -> None:
    require_masks(curated, DatasetSettings(source=str(curated.source)))


def test_masks_and_crops_reach_the_batch_together(
    curated: CuratedSet, in_folder: DatasetSettings, tiny_base: BaseModel, tmp_path: Path
) -> None:
    update = {"crop": "random", "crops_per_image": 3, "flip_probability": 0.5, "resolution": 64}
    dataset = in_folder.model_copy(update={**update, "max_aspect_ratio": 1.0})
    examples = default_examples(curated, "")
    encoded = encode_examples(examples, tiny_base, dataset, tmp_path / "c", encode_text=False)
    loader = ExampleLoader(encoded, 2, RandomStreams(0), torch.device("cpu"))
    shown = set()
    for number in range(20):
        batch = loader.batch(number)
        assert batch.masks is not None
        assert batch.masks.shape == (2, 1, 8, 8)
        assert batch.time_ids is not None
        for mask, time_ids in zip(batch.masks, batch.time_ids, strict=True):
            # The picture is 64 px high already, so crops are cut in its own pixels: spot and all.
            left = int(time_ids[3])
            spots = {float(spot_share(left, flipped)) for flipped in (False, True)}
            assert min(abs(float(mask.mean()) - share) for share in spots) < 0.02
            shown.add(tuple(mask.flatten().tolist()))
    assert len(shown) > 6
    assert in_the_digest(examples, tiny_base, dataset, tmp_path)


def spot_share(left: int, flipped: bool) -> float:
    whole = np.asarray(spot())[:, ::-1] if flipped else np.asarray(spot())
    return float(whole[:, left : left + 64].mean() / 255)


def in_the_digest(
    examples: list[Example], base: BaseModel, dataset: DatasetSettings, tmp_path: Path
) -> bool:
    """Whether the digest changes with one pixel block of a mask."""

    def digest() -> str:
        return encode_examples(examples, base, dataset, tmp_path / "c", encode_text=False).digest

    before = digest()
    mask = spot()
    ImageDraw.Draw(mask).rectangle((8, 16, 15, 23), fill=128)
    mask.save(Path(dataset.mask_folder) / "a.png")
    return before != digest()


@pytest.mark.parametrize(
    ("dataset", "loss", "expected"),
    [
        ({"mask": "alpha"}, {}, 'dataset.mask: "alpha", but loss.masked_loss is false'),
        ({}, {"masked_loss": True}, "loss.masked_loss: true, but dataset.mask is none"),
        ({"mask": "folder"}, {"masked_loss": True}, 'dataset: mask is "folder" but mask_folder'),
        ({"mask_folder": "m"}, {}, 'dataset: mask_folder is "m" but mask is "none"'),
    ],
)
def test_a_recipe_that_masks_by_half_is_refused(
    dataset: dict[str, str], loss: dict[str, bool], expected: str
) -> None:
    content = {"name": "x", "trainer": {"kind": "lora"}, "loss": loss}
    with pytest.raises(RecipeError) as caught:
        recipe_from_dict({**content, "dataset": {"source": "p", **dataset}})
    [problem] = caught.value.problems
    assert problem.startswith(expected)
