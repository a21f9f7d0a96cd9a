"""Each check with a picture that trips it and one that does not."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from studio.curation.buckets import bucket_size, crop_share
from studio.curation.checks.blank import entropy_bits
from studio.curation.checks.blur import edge_width_px

# Drawings put among the scenes are another material, as they should be.
ONE_MATERIAL = {"severity": {"material": "off"}}


def findings(curated, name):
    picture = next(p for p in curated.pictures if p.name == name)
    return {f.check: f for f in picture.findings}


def of_set(curated):
    return {f.check: f for f in curated.findings}


def test_good_pictures_pass_without_a_word(folder, curate_folder):
    curated = curate_folder(folder)
    assert [p.name for p in curated.kept] == [
        f"{n}.png" for n in ["ant", "bee", "cow", "dog", "eel", "fox"]
    ]
    assert all(p.findings == () for p in curated.pictures)
    assert curated.findings == ()


def test_unreadable(folder, curate_folder):
    (folder / "broken.png").write_bytes((folder / "ant.png").read_bytes()[:800])
    curated = curate_folder(folder)
    assert [p.name for p in curated.dropped] == ["broken.png"]
    assert findings(curated, "broken.png")["unreadable"].severity == "block"
    assert curated.dropped[0].width_px == 0
    assert len(curated.dropped[0].digest) == 64


def test_too_small_blocks_below_half_and_warns_below_the_resolution(folder, scene, curate_folder):
    scene(10, (31, 80)).save(folder / "tiny.png")
    scene(11, (48, 48)).save(folder / "small.png")
    scene(12, (63, 64)).save(folder / "almost.png")
    curated = curate_folder(folder)
    tiny, small = findings(curated, "tiny.png"), findings(curated, "small.png")
    assert (tiny["too_small"].severity, tiny["too_small"].score) == ("block", 31)
    assert (small["too_small"].severity, small["too_small"].score) == ("warn", 48)
    assert "enlarged 1.3 times" in small["too_small"].message
    assert findings(curated, "almost.png") == {}


def test_too_small_by_the_users_limit(folder, scene, curate_folder):
    scene(10, (90, 90)).save(folder / "ninety.png")
    curated = curate_folder(folder, min_side_px=92)
    assert [p.name for p in curated.dropped] == ["ninety.png"]


def line_drawing() -> Image.Image:
    image = Image.new("RGB", (96, 96), "white")
    ImageDraw.Draw(image).ellipse((30, 30, 60, 60), outline="black")
    return image


def equally_bright() -> Image.Image:
    """Two colours of the same luma."""
    image = Image.new("RGB", (96, 96), (255, 0, 0))
    image.paste((0, 130, 0), (30, 30, 60, 60))
    return image


def test_blank(folder, curate_folder):
    Image.new("RGB", (96, 96), (12, 200, 77)).save(folder / "flat.png")
    Image.new("RGBA", (96, 96)).save(folder / "transparent.png")
    line_drawing().save(folder / "line.png")
    equally_bright().save(folder / "equal.png")
    curated = curate_folder(folder, **ONE_MATERIAL)
    assert [p.name for p in curated.dropped] == ["flat.png", "transparent.png"]
    assert findings(curated, "flat.png")["blank"].score == 0
    assert "blank" not in findings(curated, "line.png")


def test_entropy_of_known_histograms():
    assert entropy_bits(np.zeros(64, np.uint8)) == 0
    assert entropy_bits(np.arange(256, dtype=np.uint8)) == pytest.approx(8)
    assert entropy_bits(np.array([0, 0, 1, 1], np.uint8)) == pytest.approx(1)


def test_aspect_ratio(folder, scene, curate_folder):
    scene(10, (320, 96)).save(folder / "banner.png")
    scene(11, (180, 96)).save(folder / "wide.png")
    curated = curate_folder(folder)
    assert findings(curated, "banner.png")["aspect_ratio"].severity == "warn"
    assert "40%" in findings(curated, "banner.png")["aspect_ratio"].message
    assert findings(curated, "wide.png") == {}


@pytest.mark.parametrize(
    ("size", "limit", "share"),
    [((100, 100), 1, 0), ((200, 100), 1, 0.5), ((200, 100), 2, 0), ((100, 400), 2, 0.5)],
)
def test_crop_share(size, limit, share):
    assert crop_share(size, limit) == pytest.approx(share)


def test_a_bucket_has_the_area_of_the_resolution():
    width, height = bucket_size((300, 200), 512, 2)
    assert width * height == pytest.approx(512**2)
    assert width / height == pytest.approx(1.5)


def test_animated(folder, scene, curate_folder):
    scene(10).save(folder / "moving.gif", save_all=True, append_images=[scene(11)])
    found = findings(curate_folder(folder), "moving.gif")["animated"]
    assert (found.severity, found.score) == ("info", 2)


def test_caption_missing(folder, scene, curate_folder):
    scene(10).save(folder / "IMG_1234.png")
    curated = curate_folder(folder)
    assert findings(curated, "IMG_1234.png")["caption_missing"].severity == "warn"
    assert len(curated.kept) == 7


def test_caption_duplicate(folder, curate_folder):
    for name in ("ant", "bee", "cow"):
        (folder / f"{name}.txt").write_text("an animal")
    found = of_set(curate_folder(folder))["caption_duplicate"]
    assert (found.severity, found.score, found.evidence["caption"]) == ("info", 0.5, "an animal")


def test_set_size(folder, curate_folder):
    assert of_set(curate_folder(folder, advised_pictures=7))["set_size"].severity == "warn"
    assert of_set(curate_folder(folder, min_pictures=7))["set_size"].severity == "block"
    assert of_set(curate_folder(folder, min_pictures=6, advised_pictures=6)) == {}
    found = of_set(curate_folder(folder, ample_pictures=7))["set_size"]
    assert (found.severity, found.threshold) == ("info", 7)


def test_exact_duplicates_keep_the_first_by_name(folder, curate_folder):
    shutil.copy(folder / "cow.png", folder / "cow (1).png")
    curated = curate_folder(folder)
    assert [p.name for p in curated.dropped] == ["cow (1).png"]
    found = findings(curated, "cow (1).png")["exact_duplicate"]
    assert (found.severity, found.evidence) == ("block", {"twin": "cow.png"})
    assert "near_duplicate" not in findings(curated, "cow (1).png")
    assert curated.duplicate_groups == (("cow (1).png", "cow.png"),)


def recompressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(file)


@pytest.mark.parametrize(
    "change",
    [
        recompressed,
        ImageOps.mirror,
        lambda image: image.resize((72, 72)),
        lambda image: ImageEnhance.Brightness(image).enhance(1.1),
        lambda image: image.filter(ImageFilter.GaussianBlur(0.7)),
    ],
    ids=["recompressed", "mirrored", "resized", "brighter", "softer"],
)
@pytest.mark.parametrize("seed", [1, 4])
def test_near_duplicates_are_found(folder, scene, curate_folder, change, seed):
    name = f"{['ant', 'bee', 'cow', 'dog', 'eel', 'fox'][seed]}.png"
    change(scene(seed)).save(folder / "zz again.png")
    curated = curate_folder(folder)
    assert [p.name for p in curated.dropped] == ["zz again.png"]
    found = findings(curated, "zz again.png")["near_duplicate"]
    assert (found.severity, found.evidence["twin"]) == ("block", name)
    assert curated.duplicate_groups == ((name, "zz again.png"),)


def test_of_near_duplicates_the_larger_stays(folder, scene, curate_folder):
    scene(2).resize((192, 192), Image.Resampling.LANCZOS).save(folder / "zz large.png")
    curated = curate_folder(folder)
    assert [p.name for p in curated.dropped] == ["cow.png"]


def heart(colour) -> Image.Image:
    image = Image.new("RGB", (96, 96), "white")
    ImageDraw.Draw(image).polygon(
        [(48, 85), (10, 35), (30, 12), (48, 30), (66, 12), (86, 35)], colour
    )
    return image


def arrow(to: str) -> Image.Image:
    image = Image.new("RGB", (96, 96), "white")
    ImageDraw.Draw(image).polygon(
        [(80, 48), (40, 12), (40, 38), (12, 38), (12, 58), (40, 58), (40, 84)]
    )
    ImageDraw.Draw(image).rectangle((0, 0, 95, 10), fill=(80, 90, 200))
    return image if to == "right" else ImageOps.mirror(image)


def test_the_same_shape_in_another_colour_is_no_duplicate(folder, curate_folder):
    heart((220, 30, 60)).save(folder / "red heart.png")
    heart((40, 60, 220)).save(folder / "blue heart.png")
    assert curate_folder(folder, **ONE_MATERIAL).dropped == ()


def test_drawings_of_one_series_are_no_duplicates(folder, curate_folder):
    """Faces that differ in the mouth alone."""
    for mouth in range(4):
        image = Image.new("RGB", (96, 96), "white")
        draw = ImageDraw.Draw(image)
        draw.ellipse((6, 6, 90, 90), (250, 200, 60))
        draw.ellipse((26, 30, 36, 44), (90, 60, 20))
        draw.ellipse((60, 30, 70, 44), (90, 60, 20))
        boxes = [(25, 55, 71, 80), (42, 58, 54, 80), (25, 66, 71, 70), (30, 54, 42, 64)]
        draw.ellipse(boxes[mouth], (150, 40, 40))
        image.save(folder / f"face {'abcd'[mouth]}.png")
    assert curate_folder(folder).dropped == ()


def test_a_larger_hash_distance_finds_no_fewer(folder, scene, curate_folder):
    scene(1).rotate(1, Image.Resampling.BICUBIC).save(folder / "zz turned.png")
    dropped = [len(curate_folder(folder, near_duplicate_distance=d).dropped) for d in (0, 6, 16)]
    assert dropped == sorted(dropped)
    assert dropped[0] == 0
    assert dropped[-1] == 1


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_edge_width_is_the_width_of_the_blur(sigma):
    image = Image.new("L", (128, 128), 40)
    ImageDraw.Draw(image).rectangle((32, 32, 96, 96), 220)
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(sigma)), np.float32)
    assert edge_width_px(blurred) == pytest.approx(sigma, rel=0.2)


def test_edge_width_does_not_depend_on_contrast():
    image = Image.new("L", (128, 128), 0)
    ImageDraw.Draw(image).rectangle((32, 32, 96, 96), 250)
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(2)), np.float32)
    assert edge_width_px(blurred * 0.3 + 90) == pytest.approx(edge_width_px(blurred), abs=0.05)


def test_what_has_no_strong_edge_is_not_judged():
    fog = np.tile(np.linspace(120, 150, 128, dtype=np.float32), (128, 1))
    assert np.isnan(edge_width_px(fog))
    assert np.isnan(edge_width_px(np.zeros((1, 1), np.float32)))


def test_a_blurred_picture_is_found_among_sharp_ones(folder, scene, curate_folder):
    scene(10, (64, 64)).filter(ImageFilter.GaussianBlur(4)).save(folder / "soft.png")
    curated = curate_folder(folder)
    assert {p.name for p in curated.pictures for f in p.findings if f.check == "blur"} == {
        "soft.png"
    }
    assert findings(curated, "soft.png")["blur"].severity == "warn"
    assert "blur" not in of_set(curated)


def test_flat_drawings_are_not_blurred(folder, curate_folder):
    for index, colour in enumerate([(220, 30, 60), (40, 60, 220), (30, 160, 40)]):
        heart(colour).save(folder / f"heart {'abc'[index]}.png")
    curated = curate_folder(folder, **ONE_MATERIAL)
    assert [f.check for p in curated.pictures for f in p.findings] == []


def test_a_set_that_is_soft_throughout_is_remarked_on_once(folder, scene, curate_folder):
    for seed, path in enumerate(sorted(folder.iterdir())):
        scene(seed, (64, 64)).filter(ImageFilter.GaussianBlur(3)).save(path)
    curated = curate_folder(folder)
    assert of_set(curated)["blur"].severity == "warn"
    assert [p.name for p in curated.pictures if p.findings] == []
