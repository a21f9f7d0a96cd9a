"""What the mascot holds or plays with; the pen's origin is where the hand or the ground is."""

from __future__ import annotations

from sample_sets.canvas import RGB, Pen

WHITE: RGB = (255, 255, 255)
RED: RGB = (232, 54, 66)
YELLOW: RGB = (255, 207, 64)
ORANGE: RGB = (247, 140, 56)
GREEN: RGB = (86, 170, 92)
BLUE: RGB = (66, 120, 210)
WOOD: RGB = (150, 96, 60)


def draw_heart(pen: Pen) -> None:
    pen.blob(((0, -9), (7, -15), (15, -11), (14, 0), (0, 14), (-14, 0), (-15, -11), (-7, -15)), RED)


def draw_balloon(pen: Pen) -> None:
    pen.line(((0, 0), (2, -16), (-1, -30)), 1.8, pen.outline)
    pen.polygon(((-3.5, -28), (3.5, -28), (0, -34)), RED)
    pen.ellipse((0, -47), (14, 16), RED)
    pen.ellipse((-5, -53), (3, 4.5), WHITE, degrees=25, lined=False)


def draw_book(pen: Pen) -> None:
    pen.polygon(((-23, -10), (0, -6), (23, -10), (23, 13), (0, 17), (-23, 13)), BLUE)
    pen.polygon(((-20, -13), (0, -8), (20, -13), (20, 9), (0, 13), (-20, 9)), WHITE)
    pen.line(((0, -8), (0, 13)), 2, pen.outline)


def draw_umbrella(pen: Pen) -> None:
    pen.line(((0, 6), (0, -60)), 3, WOOD)
    canopy = ((-42, -50), (-34, -68), (-16, -79), (0, -82), (16, -79), (34, -68), (42, -50))
    hem = ((28, -55), (14, -50), (0, -55), (-14, -50), (-28, -55))
    pen.polygon((*canopy, *hem), YELLOW)
    for x in (-14, 14):
        pen.line(((x, -50), (x * 0.7, -68), (0, -82)), 1.8, pen.outline)


def draw_ball(pen: Pen) -> None:
    pen.ellipse((0, -11), (11, 11), WHITE)
    pen.polygon(((0, -16.5), (5.2, -12.7), (3.2, -6.6), (-3.2, -6.6), (-5.2, -12.7)), pen.outline)


def draw_flower(pen: Pen) -> None:
    pen.line(((0, 2), (1, -12), (0, -24)), 3, GREEN)
    pen.blob(((1, -8), (8, -15), (14, -14), (9, -7)), GREEN)
    for degrees in range(0, 360, 72):
        pen.at(0, -27, degrees).ellipse((0, -7), (4.6, 6), ORANGE)
    pen.ellipse((0, -27), (4.2, 4.2), YELLOW)


def draw_snores(pen: Pen) -> None:
    for x, y, scale in ((0.0, 0.0, 0.8), (12.0, -12.0, 1.1), (26.0, -26.0, 1.4)):
        letter = pen.at(x, y, 8, scale)
        for stroke in (((-4, -5), (4, -5)), ((4, -5), (-4, 5)), ((-4, 5), (4, 5))):
            letter.line(stroke, 2.6, pen.outline)
