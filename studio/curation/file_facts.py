"""What a picture's file says of itself, beside its pixels: how it was stored, and by which camera."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

_MAKE, _MODEL, _ORIENTATION, _SOFTWARE = 0x010F, 0x0110, 0x0112, 0x0131
_LONGEST_WORD = 80  # camera notes may hold anything; a name is short


@dataclass(frozen=True)
class FileFacts:
    """Read from the header; every field is empty where the file is silent.

    Attributes:
        format: Pillow's name of it, e.g. ``JPEG``, ``PNG``, ``WEBP``.
        luma_table: a JPEG's 64 quantisation steps of brightness, row by row; larger is coarser.
        camera: maker and model as EXIF has them, or the scanner's.
        software: the program that wrote the file, as EXIF has it.
    """

    format: str = ""
    luma_table: tuple[int, ...] = ()
    camera: str = ""
    software: str = ""


def file_facts(image: Image.Image) -> FileFacts:
    """The facts of an opened, not yet converted picture; broken camera notes are passed over."""
    tables = getattr(image, "quantization", None) or {}
    notes = _notes(image)
    maker, model = (_word(notes.get(tag)) for tag in (_MAKE, _MODEL))
    # "Canon" and "Canon EOS 5D" are one camera, not a Canon Canon.
    camera = model if model.lower().startswith(maker.lower()) else f"{maker} {model}".strip()
    return FileFacts(
        format=image.format or "",
        luma_table=tuple(int(step) for step in tables.get(0, ())),
        camera=camera,
        software=_word(notes.get(_SOFTWARE)),
    )


def orientation(image: Image.Image) -> int:
    """How the camera was held, 1 to 8 as EXIF counts; 1, upright, where the file does not say."""
    value = _notes(image).get(_ORIENTATION)
    return value if isinstance(value, int) else 1


def _notes(image: Image.Image) -> dict[int, object]:
    """EXIF's main directory. Damage there is common where the pixels are whole, and raises anything."""
    try:
        return dict(image.getexif())
    except MemoryError:
        raise
    except Exception:
        return {}


def _word(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return "".join(c for c in text.strip() if c.isprintable())[:_LONGEST_WORD]
