"""Plain backgrounds under the names that pocket's captions use."""

from __future__ import annotations

RGB = tuple[int, int, int]

BACKGROUNDS: dict[str, RGB] = {
    "white": (255, 255, 255),
    "black": (24, 24, 28),
    "gray": (150, 152, 158),
    "red": (214, 60, 58),
    "orange": (244, 150, 60),
    "yellow": (250, 222, 110),
    "green": (96, 176, 96),
    "blue": (84, 140, 220),
    "purple": (150, 104, 196),
    "pink": (246, 176, 200),
    "brown": (132, 92, 66),
}
