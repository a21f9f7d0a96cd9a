from __future__ import annotations

import io
import struct

import pytest

from studio.curation.decode import UnreadableError, decode, open_rgb
from studio.errors import DatasetError

FORMS = {
    "png": {},
    "jpg": {},
    "jpg progressive": {"progressive": True},
    "webp": {},
    "gif": {},
    "bmp": {},
    "tif": {},
    "tif deflated": {"compression": "tiff_adobe_deflate"},
    "tif as jpeg": {"compression": "jpeg"},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_cut_off_anywhere_is_refused(tmp_path, scene, form):
    path = tmp_path / f"a.{form.split()[0]}"
    scene(1, (24, 20)).save(path, **FORMS[form])
    whole = path.read_bytes()
    decode(path)
    at_the_end = range(len(whole) - 9, len(whole)) if "tif" not in form else ()
    for cut in (*range(0, len(whole) - 9, 37), *at_the_end):
        path.write_bytes(whole[:cut])
        with pytest.raises(UnreadableError):
            decode(path)


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tif"])
def test_an_animation_cut_off_after_its_first_frame_is_refused(tmp_path, scene, ending):
    path = tmp_path / f"a.{ending}"
    frames = [scene(seed, (24, 20)) for seed in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(DatasetError, match=r"a\.\w+ cannot be used: .+; remove or replace it"):
        open_rgb(path)


def run_length_bmp(pixels: bytes) -> bytes:
    head = struct.pack("<IiiHHIIIIII", 40, 4, 2, 1, 8, 1, len(pixels), 0, 0, 2, 2)
    palette = bytes((0, 0, 0, 0, 255, 255, 255, 0))
    start = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + head + palette + pixels


def test_a_compressed_bmp_cut_off_is_refused(tmp_path):
    whole = run_length_bmp(b"\4\1\0\0\4\0\0\1")
    (tmp_path / "a.bmp").write_bytes(whole)
    assert open_rgb(tmp_path / "a.bmp").getpixel((0, 1)) == (255, 255, 255)
    (tmp_path / "a.bmp").write_bytes(whole[:-4])
    with pytest.raises(UnreadableError, match="end of the file is missing"):
        decode(tmp_path / "a.bmp")


def test_what_phones_put_behind_a_picture_does_no_harm(tmp_path, scene):
    scene(1).save(tmp_path / "a.jpg")
    with (tmp_path / "a.jpg").open("ab") as file:
        file.write(b"a film \xff\xda" * 20_000)
    assert open_rgb(tmp_path / "a.jpg").size == (96, 96)


def test_a_thumbnails_end_is_not_taken_for_the_pictures(tmp_path, scene):
    thumbnail = io.BytesIO()
    scene(1, (16, 16)).save(thumbnail, "JPEG")
    scene(1).save(tmp_path / "a.jpg")
    whole = (tmp_path / "a.jpg").read_bytes()
    note = b"\xff\xe5" + struct.pack(">H", len(thumbnail.getvalue()) + 2) + thumbnail.getvalue()
    (tmp_path / "a.jpg").write_bytes(whole[:2] + note + whole[2:])
    assert open_rgb(tmp_path / "a.jpg").size == (96, 96)
    (tmp_path / "a.jpg").write_bytes(whole[:2] + note + whole[2:-2])
    with pytest.raises(UnreadableError, match="end of the file is missing"):
        decode(tmp_path / "a.jpg")


def test_a_png_with_a_wrong_checksum_is_refused(tmp_path, scene):
    scene(1).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[-20] ^= 1
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UnreadableError, match="damaged"):
        decode(tmp_path / "a.png")
