"""A folder with more than 300 inputs that are broken, hostile or odd, curated in one go.

All are made here, byte for byte the same in every run.
"""

from __future__ import annotations

import html
import io
import itertools
import json
import os
import random
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.curation import curate, to_json, write_html
from studio.curation.manifest import CuratedSet
from studio.curation.settings import DatasetSettings
from studio.curation.summary import printable

ENDINGS = ("png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff")
PLACES = (1, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, -2, -1)  # bytes, or shares, or bytes from the end
Draw = Callable[..., Image.Image]
Files = Iterator[tuple[str, bytes]]


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.copy().save(file, kind, **options)  # a copy, for saving leaves settings of the encoder
    return file.getvalue()


def whole_files(scene: Draw) -> dict[str, bytes]:
    """A good file of every kind that is read, by a name with the ending it should have."""
    first, *others = (scene(seed, (48, 40)) for seed in (901, 902, 903))
    alpha = first.convert("RGBA")
    alpha.putalpha(others[0].convert("L"))
    series = {"save_all": True, "append_images": others}
    return {
        "plain.png": saved(first, "PNG"),
        "palette.png": saved(first.quantize(32), "PNG"),
        "alpha.png": saved(alpha, "PNG"),
        "animated.png": saved(first, "PNG", **series),
        "plain.jpg": saved(first, "JPEG"),
        "progressive.jpg": saved(first, "JPEG", progressive=True),
        "restarts.jpg": saved(first, "JPEG", restart_marker_blocks=2),
        "cmyk.jpg": saved(first.convert("CMYK"), "JPEG"),
        "gray.jpeg": saved(first.convert("L"), "JPEG"),
        "plain.gif": saved(first, "GIF"),
        "animated.gif": saved(first, "GIF", **series),
        "plain.webp": saved(first, "WEBP"),
        "lossless.webp": saved(first, "WEBP", lossless=True),
        "alpha.webp": saved(alpha, "WEBP"),
        "animated.webp": saved(first, "WEBP", **series),
        "plain.bmp": saved(first, "BMP"),
        "palette.bmp": saved(first.quantize(16), "BMP"),
        "plain.tif": saved(first, "TIFF"),
        "lzw.tif": saved(first, "TIFF", compression="tiff_lzw"),
        "deflate.tif": saved(first, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tiff": saved(first, "TIFF", compression="jpeg"),
        "packbits.tiff": saved(first, "TIFF", compression="packbits"),
        "pages.tiff": saved(first, "TIFF", **series),
        "fax.tiff": saved(first.convert("1"), "TIFF", compression="group4"),
    }


def truncated(whole: dict[str, bytes]) -> Files:
    for (name, content), place in itertools.product(whole.items(), PLACES):
        # Behind a TIFF's last picture there may be padding, or a pointer to no further one.
        spared = 8 if place < 0 and ".tif" in name else 0
        cut = round(place * len(content)) if 0 < place < 1 else int(place) - spared
        yield f"cut at {place} {name}", content[:cut]
    for ending in ENDINGS:
        yield f"nothing.{ending}", b""


def no_pictures() -> Files:
    contents = {
        "letter": b"Dear reader,\n",
        "page": b"<!doctype html><title>404</title>",
        "drawing": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        "document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "archive": b"PK\x03\x04" + bytes(60),
        "film": b"\0\0\0\x20ftypisom" + bytes(60),
        "zeros": bytes(5000),
    }
    for (what, content), ending in zip(contents.items(), ENDINGS, strict=True):
        yield f"{what}.{ending}", content
    dice = random.Random(0)
    magic = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"II*\0", b"MM\0*", b"BM")
    for number, start in enumerate(magic * 5):
        yield f"noise {number}.png", start + dice.randbytes(400)


def png(width: int, height: int, *chunks: tuple[bytes, bytes], pixels: bytes = b"") -> bytes:
    """A PNG of one bit a pixel with extra chunks before its pixels."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def tiff(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """A little-endian TIFF of one directory; entries are tag, type, count, value or offset."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return (
        struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + directory + struct.pack("<I", following)
    )


def bombs() -> Files:
    for width, height in ((10_001, 10_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)):
        yield f"bomb {width}.png", png(width, height)
    yield "bomb.gif", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";"
    yield (
        "bomb.bmp",
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 0, 0, 54, 40, 40_000, 40_000, 1, 24, *[0] * 6),
    )
    size = [(256, 4, 1, 50_000), (257, 4, 1, 50_000), (258, 3, 1, 8), (262, 3, 1, 1)]
    yield "bomb.tif", tiff([*size, (273, 4, 1, 8), (279, 4, 1, 2**31)])
    yield "tile bomb.tif", tiff([*size, (322, 4, 1, 2**30), (323, 4, 1, 2**30), (324, 4, 1, 8)])
    yield "count bomb.tif", tiff([(256, 4, 2**31, 8), (257, 4, 2**31, 8)])
    yield "circle.tif", tiff([(256, 4, 1, 9), (257, 4, 1, 9)], following=8)
    canvas = (16_382).to_bytes(3, "little") * 2
    yield (
        "bomb.webp",
        b"RIFF" + struct.pack("<I4s4sI", 22, b"WEBP", b"VP8X", 10) + bytes(4) + canvas,
    )
    frame = b"\xff\xc0\0\x0b\x08\xff\xdc\xff\xdc\x01\x01\x11\0"
    yield (
        "bomb.jpg",
        b"\xff\xd8" + frame + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" + bytes(9) + b"\xff\xd9",
    )
    text = b"Comment\0\0" + zlib.compress(bytes(70_000_000), 9)
    yield "text bomb.png", png(8, 8, (b"zTXt", text), pixels=bytes(16))
    profile = b"icc\0\0" + zlib.compress(bytes(20_000_000), 9)
    yield "profile bomb.png", png(8, 8, (b"iCCP", profile), pixels=bytes(16))


def damaged(whole: dict[str, bytes]) -> Files:
    """A few bytes changed: some of them are still pictures, and none may do harm."""
    for name, content in whole.items():
        for number in range(3):
            dice = random.Random(f"{name} {number}")
            changed = bytearray(content)
            for _ in range(4):
                changed[dice.randrange(20, len(changed))] ^= dice.randrange(1, 256)
            yield f"damaged {number} {name}", bytes(changed)


def odd_pictures(whole: dict[str, bytes], scene: Draw) -> Files:
    """Pictures, however unusual."""
    for (name, content), ending in zip(whole.items(), itertools.cycle(ENDINGS[::-1])):
        yield f"{name} by another name.{ending}", content
    for kind, ending in {"PNG": "png", "JPEG": "jpg", "GIF": "gif", "WEBP": "webp"}.items():
        yield f"one pixel.{ending}", saved(Image.new("RGB", (1, 1)), kind)
    for width, height in ((30_000, 20), (20, 30_000), (1, 4000), (4000, 1)):
        yield f"{width} wide.png", saved(scene(910).resize((width, height)), "PNG")
    colours = scene(911, (48, 40))
    gray = colours.convert("L")
    for mode in ("1", "L", "LA", "P", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "I", "I;16", "F"):
        source = gray if mode in ("I", "I;16", "F", "LA") else colours
        yield f"mode {mode}.tif", saved(source.convert(mode), "TIFF")
    levels = np.asarray(gray, np.float32) / 255
    for name, value in {"nan": np.nan, "infinite": np.inf, "minus infinite": -np.inf}.items():
        marked = levels.copy()
        marked[::3] = value
        yield f"{name}.tif", saved(Image.fromarray(marked), "TIFF")
        yield f"all {name}.tif", saved(Image.fromarray(np.full_like(levels, value)), "TIFF")
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    screen = struct.pack("<HHBBB", 16, 16, 0x80, 0, 0) + bytes(range(6))
    yield "film.gif", b"GIF89a" + screen + 3000 * frame + b";"
    exif = b"Exif\0\0" + tiff([(0x0132, 2, 60_000, 20)] * 4000)
    yield "exif bomb.jpg", whole["plain.jpg"][:2] + _app1(exif[:65_000]) + whole["plain.jpg"][2:]
    yield "trailing film.jpg", whole["plain.jpg"] + random.Random(1).randbytes(200_000)


def _app1(content: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


NAMES = (
    "日本語の猫", "кошка", "γάτα", "قطة", "חתול", "बिल्ली", "แมว", "고양이", "🦊🎨", "e\u0301tude",
    "Ünïcödé", "a\nnew line", "a\ttab", "'quotes\"", "<script>alert(1)<", "-rf", "%s %d", "{0.name}",
    "$HOME", "back\\slash", "a;b|c&d", "#comment", "trailing blank ", "dots...", "CON", "\u202egnp",
    "a\x1b[31mred", "x" * 251, "\U0001f98a" * 62, "[red]markup[", "~", "=1+1",
)  # fmt: skip


def special_entries(folder: Path) -> list[str]:
    """What is no file, made in the folder; returns the names."""
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        home = Path.cwd()
        os.chdir(folder)  # a socket's path may have 107 bytes
        listener.bind("socket.png")
        os.chdir(home)
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "dangling.png").symlink_to(folder / "nowhere.png")
    (folder / "itself.png").symlink_to(folder / "itself.png")
    (folder / "there.png").symlink_to(folder / "back.png")
    (folder / "back.png").symlink_to(folder / "there.png")
    (folder / "sub").mkdir()
    (folder / "sub" / "up").symlink_to(folder, target_is_directory=True)
    bad_name = os.fsencode(folder) + b"/caf\xe9.png"
    Path(os.fsdecode(bad_name)).write_bytes(b"x")
    left_out = ["pipe", "socket", "device", "dangling", "itself", "there", "back"]
    return [*(f"{name}.png" for name in left_out), "sub/up", "caf\\xe9.png"]


def unreadable_files(folder: Path) -> list[str]:
    (folder / "input error.png").symlink_to("/proc/self/mem")
    with (folder / "terabyte.png").open("wb") as file:
        file.truncate(1 << 40)
    (folder / "locked.png").write_bytes(b"x")
    (folder / "locked.png").chmod(0)  # for root, it is one that is no picture
    return ["input error.png", "terabyte.png", "locked.png"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, scene: Draw) -> dict[str, list[str]]:
    """The folder, as ``folder``, and the names in it by what is to become of them."""
    folder = tmp_path_factory.mktemp("malformed")
    whole = whole_files(scene)
    groups: dict[str, Files] = {
        "broken": itertools.chain(truncated(whole), no_pictures(), bombs()),
        "odd": itertools.chain(damaged(whole), odd_pictures(whole, scene)),
        "good": ((f"{n}.png", saved(scene(i), "PNG")) for i, n in enumerate(NAMES)),
    }
    names = {"folder": [str(folder)], "left out": special_entries(folder)}
    for group, files in groups.items():
        names[group] = []
        for name, content in files:
            (folder / name).write_bytes(content)
            names[group].append(name)
    names["broken"] += unreadable_files(folder)
    return names


@pytest.fixture(scope="module")
def curated(made: dict[str, list[str]]) -> CuratedSet:
    return curate(DatasetSettings(source=made["folder"][0]), 64, processes=2)


def test_more_than_300_inputs(made):
    assert sum(map(len, made.values())) - len(made["good"]) > 300


def test_broken_ones_are_unreadable_with_a_reason(made, curated):
    found = {p.name: p for p in curated.pictures}
    read = [
        n for n in made["broken"] if not any(f.check == "unreadable" for f in found[n].findings)
    ]
    assert read == []


def test_whole_ones_are_readable(made, curated):
    found = {p.name: p for p in curated.pictures}
    whole = [n for n in (*made["odd"], *made["good"]) if not n.startswith("damaged")]
    assert [n for n in whole if not found[n].width_px] == []


def test_no_process_came_to_harm(made, curated):
    """All of these are refused or read by decoders as they are: none crashes or hangs."""
    reasons = {f.message for p in curated.pictures for f in p.findings if f.check == "unreadable"}
    harm = ("the process", "decoder down", "too long", "memory")
    assert [reason for reason in reasons if any(word in reason for word in harm)] == []


def test_good_ones_are_kept(made, curated):
    kept = {p.name for p in curated.kept}
    assert [name for name in made["good"] if name not in kept] == []


def test_each_is_named_in_the_manifest(made, curated):
    content = json.loads(json.dumps(to_json(curated)))
    pictures = {picture["name"] for picture in content["pictures"]}
    remarks = "\n".join(finding["message"] for finding in content["findings"])
    everything = [*made["broken"], *made["odd"], *made["good"]]
    assert [name for name in everything if name not in pictures] == []
    assert [name for name in made["left out"] if name not in remarks] == []


def test_each_is_named_on_the_page(made, curated, tmp_path):
    write_html(curated, tmp_path / "report.html")
    page = html.unescape((tmp_path / "report.html").read_text("utf-8"))
    everything = [*made["broken"], *made["odd"], *made["good"], *made["left out"]]
    assert [name for name in everything if printable(name) not in page] == []
