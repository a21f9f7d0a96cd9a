"""The mascot: a small turquoise creature with one ear up and one folded, a red scarf and a long
ringed tail. Units: a hundredth of its standing height; origin between its feet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sample_sets.canvas import RGB, Pen, Point

INK: RGB = (43, 33, 69)
FUR: RGB = (63, 190, 182)
CREAM: RGB = (255, 244, 222)
SCARF: RGB = (240, 78, 70)
BLUSH: RGB = (255, 150, 140)
TEAR: RGB = (170, 222, 255)

Eyes = Literal["open", "happy", "closed", "wink", "sad"]
Mouth = Literal["smile", "laugh", "sad"]


@dataclass(frozen=True)
class Figure:
    """Where everything is in one pose. Hands and feet come left to right as we look at them."""

    hands: tuple[Point, Point] = ((-21.0, -22.0), (21.0, -22.0))
    feet: tuple[Point, Point] = ((-9.0, -3.0), (9.0, -3.0))
    knees: tuple[Point, Point] | None = None
    tail: tuple[Point, ...] = ((10.0, -14.0), (30.0, -8.0), (40.0, -22.0), (33.0, -36.0))
    scarf_end: tuple[Point, Point] = ((-14.0, -34.0), (-17.0, -24.0))
    head_tilt: float = 0.0
    head: Point = (0.0, -64.0)
    eyes: Eyes = "open"
    mouth: Mouth = "smile"

    def draw(self, pen: Pen) -> None:
        """The whole creature, from the back to the front."""
        pen.tube(self.tail, 11, (FUR, CREAM, FUR, CREAM, FUR))
        self._draw_legs(pen)
        pen.ellipse((0, -26), (16.5, 19), FUR)
        pen.ellipse((0, -22), (10, 12), CREAM, lined=False)
        self._draw_scarf(pen)
        draw_head(pen.at(*self.head, self.head_tilt), self.eyes, self.mouth)
        for shoulder, hand in zip(((-13.0, -36.0), (13.0, -36.0)), self.hands, strict=True):
            pen.tube((shoulder, _elbow(shoulder, hand), hand), 7.5, (FUR,))

    def _draw_legs(self, pen: Pen) -> None:
        for side, foot in enumerate(self.feet):
            hip = ((-8.0, -14.0), (8.0, -14.0))[side]
            knee = self.knees[side] if self.knees else _middle(hip, foot)
            pen.tube((hip, knee, foot), 9, (FUR,))
            pen.ellipse((foot[0], foot[1] - 0.5), (7.5, 5), CREAM)

    def _draw_scarf(self, pen: Pen) -> None:
        knot = (-9.0, -41.0)
        pen.tube((knot, *self.scarf_end), 7, (SCARF,))
        pen.tube(((-14, -43), (0, -39), (14, -43)), 7, (SCARF,))


def draw_head(pen: Pen, eyes: Eyes, mouth: Mouth) -> None:
    """Head with ears and face, origin at its centre."""
    pen.blob(((-21, -10), (-24, -30), (-17, -42), (-9, -31), (-6, -15)), FUR)
    pen.blob(((-18, -15), (-20, -29), (-16.5, -36), (-12.5, -29), (-11, -17)), BLUSH, lined=False)
    pen.blob(((7, -16), (13, -29), (25, -31), (23, -20), (20, -8)), FUR)
    pen.blob(((16, -30), (27, -31), (36, -20), (32, -9), (25, -17)), FUR)  # the folded tip
    pen.ellipse((0, 0), (27, 22), FUR)
    pen.ellipse((0, 8), (14, 10.5), CREAM, lined=False)
    for x in (-19.0, 19.0):
        pen.ellipse((x, 7), (4.2, 2.9), BLUSH, lined=False)
    _draw_eyes(pen, eyes)
    pen.ellipse((0, 3.2), (3, 2.1), INK, lined=False)
    _draw_mouth(pen, mouth)


def _draw_eyes(pen: Pen, eyes: Eyes) -> None:
    for x in (-11.5, 11.5):
        if eyes in ("open", "sad") or (eyes == "wink" and x < 0):
            pen.ellipse((x, -3.5), (4.6, 6), INK, lined=False)
            pen.ellipse((x + 1.5, -6), (1.7, 2), CREAM, lined=False)
        else:
            rise = -4.5 if eyes in ("happy", "wink") else 4.0
            pen.line(((x - 5.5, -2.5), (x, -2.5 + rise), (x + 5.5, -2.5)), 2.6, INK)
        if eyes == "sad":
            inner = 0.55 * x
            pen.line(((inner, -13.5), (1.45 * x, -10.5)), 2.4, INK)
            pen.blob(((x, 3), (x - 3.4, 10), (x, 14), (x + 3.4, 10)), TEAR)


def _draw_mouth(pen: Pen, mouth: Mouth) -> None:
    if mouth == "laugh":
        pen.blob(((-7, 8), (0, 9), (7, 8), (4.5, 15), (0, 17), (-4.5, 15)), SCARF)
    else:
        corners, middle = (9.5, 13.5) if mouth == "smile" else (12.5, 8.5)
        pen.line(((-6.5, corners), (0, middle), (6.5, corners)), 2.2, INK)


def _middle(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _elbow(shoulder: Point, hand: Point) -> Point:
    x, y = _middle(shoulder, hand)
    return x + (2.5 if shoulder[0] > 0 else -2.5), y + 2.0
