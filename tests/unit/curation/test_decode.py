from __future__ import annotations

import hashlib
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.curation.decode import UnreadableError, decode, open_rgb, opened
from studio.errors import DatasetError

RED, BLUE = (220, 30, 30), (30, 30, 220)


def halves(size=(40, 20)) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image


def close(pixel, colour, tolerance=12) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("ending", ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"])
def test_every_format_of_the_scan_is_read(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    halves().save(path, quality=95) if ending == "jpg" else halves().save(path)
    image = open_rgb(path)
    assert image.mode == "RGB"
    assert image.size == (40, 20)
    assert close(image.getpixel((5, 10)), RED, 30)
    assert close(image.getpixel((35, 10)), BLUE, 30)


@pytest.mark.parametrize(
    ("orientation", "size", "red_at"),
    [
        (1, (40, 20), (5, 10)),
        (2, (40, 20), (35, 10)),
        (3, (40, 20), (35, 10)),
        (4, (40, 20), (5, 10)),
        (5, (20, 40), (10, 5)),
        (6, (20, 40), (10, 5)),
        (7, (20, 40), (10, 35)),
        (8, (20, 40), (10, 35)),
    ],
)
def test_exif_orientation_is_applied(tmp_path, orientation, size, red_at):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.png"
    halves().save(path, exif=exif)
    image = open_rgb(path)
    assert image.size == size
    assert close(image.getpixel(red_at), RED)


def test_broken_exif_leaves_the_picture_as_it_is(tmp_path):
    path = tmp_path / "a.jpg"
    halves().save(path, exif=b"Exif\x00\x00not a tiff header")
    assert open_rgb(path).size == (40, 20)


def test_transparency_is_laid_on_white(tmp_path):
    image = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    image.paste((255, 0, 0, 128), (5, 0, 10, 10))
    image.save(tmp_path / "a.png")
    rgb = open_rgb(tmp_path / "a.png")
    assert rgb.getpixel((0, 0)) == (255, 255, 255)
    assert close(rgb.getpixel((9, 0)), (255, 127, 127), 2)


def test_a_transparent_palette_colour_is_white(tmp_path):
    image = halves().quantize(2)
    transparent = image.getpixel((0, 0))
    image.save(tmp_path / "a.png", transparency=transparent)
    rgb = open_rgb(tmp_path / "a.png")
    assert rgb.getpixel((0, 0)) == (255, 255, 255)
    assert close(rgb.getpixel((39, 0)), BLUE)


def test_gray_with_alpha(tmp_path):
    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "a.png")
    assert open_rgb(tmp_path / "a.png").getpixel((0, 0)) == (255, 255, 255)


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    assert close(open_rgb(tmp_path / "a.jpg").getpixel((8, 8)), (255, 0, 0))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bit_gray_keeps_its_shades(tmp_path, ending):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    Image.fromarray(np.tile(ramp, (4, 1))).save(tmp_path / f"a.{ending}")
    levels = np.asarray(open_rgb(tmp_path / f"a.{ending}"))[0, :, 0].astype(int)
    assert np.abs(levels - np.arange(256)).max() <= 1


def test_floating_point_gray_from_0_to_1(tmp_path):
    ramp = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (4, 1))
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    levels = np.asarray(open_rgb(tmp_path / "a.tif"))[0, :, 0].astype(int)
    assert np.abs(levels - np.arange(256)).max() <= 1


def test_of_an_animation_the_first_frame(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    decoded = decode(tmp_path / "a.gif")
    assert decoded.frames == 2
    assert close(decoded.image.getpixel((4, 4)), RED)


def png_header(width: int, height: int) -> bytes:
    """A PNG file that ends where its pixels should begin."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(chunk))
    pixels = struct.pack(">I", 100) + b"IDAT"
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + crc + pixels


@pytest.mark.parametrize("size", [(10_001, 10_000), (12_000, 12_000), (60_000, 60_000)])
def test_a_bomb_is_refused_by_its_header(tmp_path, size):
    (tmp_path / "a.png").write_bytes(png_header(*size))
    with pytest.raises(DatasetError, match="megapixels"):
        open_rgb(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"this is a letter, not a picture\n", "the content is no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "the content is no picture"),
        (b"\x89PNG\r\n\x1a\n", "no picture"),
        (png_header(10, 10), "damaged or truncated"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_digest(tmp_path, content, reason):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UnreadableError, match=reason) as caught:
        decode(tmp_path / "a.png")
    assert caught.value.digest == hashlib.sha256(content).hexdigest()


def test_a_missing_file_names_its_path(tmp_path):
    with pytest.raises(DatasetError, match=r"gone\.png"):
        open_rgb(tmp_path / "gone.png")


def test_the_digest_is_of_the_bytes(tmp_path: Path):
    halves().save(tmp_path / "a.png")
    expected = hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    assert decode(tmp_path / "a.png").digest == expected


@pytest.mark.timeout(10)
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(DatasetError, match="it is a named pipe, no file"):
        open_rgb(tmp_path / "a.png")


@pytest.mark.timeout(10)
def test_a_terabyte_is_not_read(tmp_path):
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnreadableError, match="the file has 1024 GB, more than the 2 allowed"):
        decode(tmp_path / "a.png")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux's /proc")
def test_a_disks_fault_is_not_the_contents(tmp_path):
    (tmp_path / "a.png").symlink_to("/proc/self/mem")
    with pytest.raises(UnreadableError, match=r"cannot be read \(Input/output error\)") as caught:
        decode(tmp_path / "a.png")
    assert caught.value.digest == ""


def test_a_file_that_changes_while_it_is_read(tmp_path, scene):
    scene(1).save(tmp_path / "a.bmp")
    with opened(tmp_path / "a.bmp") as picture:
        with (tmp_path / "a.bmp").open("ab") as file:
            file.write(b"more")
        with pytest.raises(UnreadableError, match="changed while it was read"):
            picture.decode()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_leave_the_others_alone(tmp_path, value):
    ramp = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (4, 1))
    ramp[0] = value
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    levels = np.asarray(open_rgb(tmp_path / "a.tif"))[..., 0].astype(int)
    assert np.abs(levels[1] - np.arange(256)).max() <= 1
    assert set(levels[0]) == {255 if value == np.inf else 0}


def test_one_pixel(tmp_path):
    Image.new("1", (1, 1)).save(tmp_path / "a.png")
    assert open_rgb(tmp_path / "a.png").size == (1, 1)
