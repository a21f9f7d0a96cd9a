"""The mascot's poses: figure, background, place and things at hand, with the caption that says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from sample_sets import mascot_props as props
from sample_sets.backgrounds import BACKGROUNDS
from sample_sets.canvas import RGB, Pen, Point
from sample_sets.mascot_figure import INK, Figure

SIDE_PX = 128
PX_PER_UNIT = 1.05
GROUND: Point = (64.0, 118.0)


@dataclass(frozen=True)
class Prop:
    """A thing and where it is, in the figure's units; held in front of the hands or behind all."""

    draw: Callable[[Pen], None]
    place: Point
    degrees: float = 0.0
    behind: bool = False


@dataclass(frozen=True)
class Pose:
    """One picture of the set."""

    name: str
    doing: str
    background: str
    figure: Figure
    degrees: float = 0.0
    origin_px: Point = (63.0, 116.0)
    ground_px: Point | None = GROUND
    scale: float = 1.0
    small: bool = False
    props: tuple[Prop, ...] = ()

    @property
    def caption(self) -> str:
        size = "small " if self.small else ""
        return f"{size}mascot {self.doing}, {self.background} background"

    def draw(self) -> Image.Image:
        """RGB, 128 x 128 px."""
        colour = BACKGROUNDS[self.background]
        canvas = Pen.on(colour, SIDE_PX, INK)
        if self.ground_px:
            _draw_ground(canvas, colour, self.ground_px, self.scale)
        pen = canvas.at(*self.origin_px, self.degrees, PX_PER_UNIT * self.scale)
        for prop in (p for p in self.props if p.behind):
            prop.draw(pen.at(*prop.place, prop.degrees))
        self.figure.draw(pen)
        for prop in (p for p in self.props if not p.behind):
            prop.draw(pen.at(*prop.place, prop.degrees))
        return canvas.finished()


def _draw_ground(canvas: Pen, colour: RGB, place_px: Point, scale: float) -> None:
    r, g, b = (round(0.84 * channel) for channel in colour)
    canvas.ellipse(place_px, (38 * scale, 5 * scale), (r, g, b), lined=False)


POSES = (
    Pose("standing", "standing", "white", Figure()),
    Pose(
        "waving",
        "waving hand",
        "blue",
        Figure(hands=((-21, -22), (38, -46)), head_tilt=-6, mouth="laugh"),
    ),
    Pose(
        "jumping",
        "jumping",
        "yellow",
        Figure(
            hands=((-30, -52), (30, -52)),
            feet=((-17, -10), (17, -10)),
            tail=((8, -12), (20, 2), (36, 0), (42, -14)),
            eyes="happy",
            mouth="laugh",
        ),
        origin_px=(64.0, 108.0),
        scale=0.94,
    ),
    Pose(
        "sitting",
        "sitting",
        "green",
        Figure(
            hands=((-17, -16), (17, -16)),
            feet=((-20, -4), (20, -4)),
            knees=((-15, -8), (15, -8)),
            tail=((10, -10), (34, -3), (45, -16), (37, -28)),
        ),
        origin_px=(60.0, 115.0),
    ),
    Pose(
        "sleeping",
        "sleeping",
        "purple",
        Figure(
            hands=((-12, -20), (13, -18)),
            feet=((-12, -4), (6, -2)),
            tail=((12, -10), (26, -2), (36, -14), (34, -30)),
            scarf_end=((-14, -34), (-22, -30)),
            eyes="closed",
        ),
        degrees=-80,
        origin_px=(113.0, 90.0),
        ground_px=(60.0, 112.0),
        props=(Prop(props.draw_snores, (38, -72), 80),),
    ),
    Pose(
        "running",
        "running",
        "orange",
        Figure(
            hands=((-25, -36), (24, -40)),
            feet=((-24, -10), (19, -2)),
            knees=((-12, -6), (17, -14)),
            tail=((-8, -16), (-28, -12), (-40, -22), (-44, -38)),
            scarf_end=((-24, -44), (-36, -50)),
            mouth="laugh",
        ),
        degrees=10,
        origin_px=(62.0, 114.0),
    ),
    Pose(
        "heart",
        "holding a red heart",
        "pink",
        Figure(hands=((-13, -22), (13, -22)), eyes="happy"),
        props=(Prop(props.draw_heart, (0, -22)),),
    ),
    Pose(
        "balloon",
        "holding a red balloon",
        "white",
        Figure(hands=((-21, -22), (33, -40)), head_tilt=-4, head=(-2, -63)),
        origin_px=(46.0, 116.0),
        ground_px=(46.0, 118.0),
        scale=0.88,
        props=(Prop(props.draw_balloon, (34, -40), 20, behind=True),),
    ),
    Pose(
        "book",
        "reading a book",
        "brown",
        Figure(
            hands=((-24, -15), (24, -15)),
            feet=((-22, -4), (22, -4)),
            knees=((-16, -8), (16, -8)),
            tail=((10, -8), (34, -2), (46, -14), (40, -28)),
        ),
        origin_px=(60.0, 114.0),
        props=(Prop(props.draw_book, (0, -17)),),
    ),
    Pose(
        "umbrella",
        "with a yellow umbrella",
        "gray",
        Figure(hands=((-21, -22), (29, -36)), mouth="laugh"),
        origin_px=(50.0, 117.0),
        ground_px=(52.0, 119.0),
        scale=0.84,
        props=(Prop(props.draw_umbrella, (29, -40), 4, behind=True),),
    ),
    Pose(
        "ball",
        "playing with a soccer ball",
        "green",
        Figure(
            hands=((-28, -42), (26, -34)),
            feet=((-10, -3), (27, -12)),
            knees=((-10, -8), (18, -14)),
            tail=((-8, -14), (-26, -6), (-38, -16), (-38, -32)),
            mouth="laugh",
        ),
        degrees=-6,
        origin_px=(54.0, 115.0),
        scale=0.94,
        props=(Prop(props.draw_ball, (47, -2)),),
    ),
    Pose(
        "crying",
        "crying",
        "blue",
        Figure(
            hands=((-9, -26), (9, -26)),
            tail=((8, -10), (24, -2), (38, -1), (50, -4)),
            head=(-3, -59),
            head_tilt=-9,
            eyes="sad",
            mouth="sad",
        ),
        origin_px=(58.0, 115.0),
        scale=0.94,
    ),
    Pose(
        "winking",
        "face, winking",
        "red",
        Figure(hands=((-30, -24), (30, -24)), head_tilt=8, eyes="wink"),
        origin_px=(60.0, 192.0),
        ground_px=None,
        scale=1.7,
    ),
    Pose(
        "flower",
        "with an orange flower, on the left",
        "black",
        Figure(hands=((-21, -22), (27, -34)), head_tilt=-4, eyes="happy"),
        origin_px=(42.0, 98.0),
        ground_px=(42.0, 99.0),
        scale=0.58,
        small=True,
        props=(Prop(props.draw_flower, (28, -35), 12),),
    ),
    Pose(
        "dancing",
        "dancing",
        "white",
        Figure(
            hands=((-32, -30), (29, -58)),
            feet=((-10, -3), (24, -14)),
            knees=((-13, -8), (19, -10)),
            tail=((-8, -14), (-28, -2), (-42, -8), (-44, -24)),
            scarf_end=((-20, -36), (-30, -40)),
            head_tilt=-10,
            eyes="wink",
            mouth="laugh",
        ),
        degrees=5,
    ),
)
