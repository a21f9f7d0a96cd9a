"""Pictures that show the same thing again: resized, recompressed, framed, mirrored or cropped.

Candidates are pairs close in two perceptual hashes of the whole, the mirror image or one of many
parts. Hashes alone take one drawing on white for another, and a red heart for a blue one, so that
each candidate is verified pixel by pixel, in colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from studio.curation.checks.candidates import likely_copies
from studio.curation.checks.check import SetCheck, SetFindings
from studio.curation.checks.crop import crop_of
from studio.curation.checks.cropped_copy import place_in
from studio.curation.checks.sketch import Sketch, measured_sketch, sketch_of
from studio.curation.manifest import Finding
from studio.curation.view import Measurement, Pixels, View

# Copies that were resized, recompressed or brightened reach 0.98 and more, slightly cropped ones
# about 0.95; drawings of one series that differ in a mouth or an eye reach 0.93. A mirrored copy is
# exact or none: clock faces and arrows that point the other way reach 0.97.
_WAYS = {"as it is": 0.94, "mirrored": 0.98}
# Of a crop, whose place is known to a pixel of 64 only: two poses of one character reach 0.78.
_CROPPED = 0.85


class NearDuplicate(SetCheck):
    """Score: correlation with the picture that is most alike, after a hash distance within the limit.

    The larger picture stays, at equal size the first by name, a pinned one before both; the others
    are blocked and name it as their twin. One that is only like a blocked one is remarked on, and
    pinned ones are compared too: no two that are alike may stand on the two sides of a split.
    """

    name = "near_duplicate"
    measured_since = 4

    def __init__(self, max_distance: int) -> None:
        self.max_distance = max_distance

    def measure(self, pixels: Pixels) -> Measurement:
        return measured_sketch(pixels)

    def examine(self, views: Sequence[View]) -> SetFindings:
        ranked = sorted(views, key=lambda v: (not v.pinned, -v.width_px * v.height_px, v.rank))
        sketches = [sketch_of(view.measurements[self.name]) for view in ranked]
        repeated: dict[str, Finding] = {}
        for index, earlier in sorted(likely_copies(sketches, self.max_distance).items()):
            view = ranked[index]
            twins = [i for i in earlier if ranked[i].digest != view.digest]
            fallen = {i for i in twins if ranked[i].name in repeated and not ranked[i].pinned}
            for group in ([i for i in twins if i not in fallen], sorted(fallen)):
                found = [
                    self._repeats(view, sketches[index], ranked[i], sketches[i]) for i in group
                ]
                best = max((f for f in found if f), key=lambda f: f.score, default=None)
                if best and view.name not in repeated:
                    repeated[view.name] = best if group[0] not in fallen else _remark(best)
        return SetFindings(repeated, scores={n: f.score for n, f in repeated.items()})

    def _repeats(self, view: View, own: Sketch, other: View, twin: Sketch) -> Finding | None:
        for way, limit in _WAYS.items():
            correlation = correlation_of(own, twin, mirrored=way == "mirrored")
            if correlation > limit:
                turned = "" if way == "as it is" else f" {way}"
                message = f"repeats {other.name}{turned} (correlation {correlation:.2f})"
                return self.finding("block", correlation, limit, message, twin=other.name, way=way)
        return self._cropped(view, own, other, twin)

    def _cropped(self, view: View, own: Sketch, other: View, twin: Sketch) -> Finding | None:
        """One is a part of the other, either way round."""
        inside, outside = place_in(own, twin), place_in(twin, own)
        place = max((p for p in (inside, outside) if p), default=None)
        if place is None or place.correlation <= _CROPPED:
            return None
        if place is inside:
            way, what = "cropped", f"shows {place.area:.0%} of {other.name} again"
            box = (0.0, 0.0, 1.0, 1.0)
        else:
            way, what = "wider", f"shows {other.name} again, with more around it"
            box = place.box
        width, height = view.width_px, view.height_px
        crop = crop_of(
            (box[0] * width, box[1] * height, box[2] * width, box[3] * height), (width, height)
        )
        message = f"{what} (correlation {place.correlation:.2f})"
        return self.finding(
            "block", place.correlation, _CROPPED, message, twin=other.name, way=way, crop=crop
        )


def _remark(finding: Finding) -> Finding:
    """Of a picture whose twin is left out already, so that it may stay."""
    return replace(finding, severity="info", message=f"{finding.message}, which is left out")


def correlation_of(first: Sketch, second: Sketch, *, mirrored: bool) -> float:
    """The lower of the correlations of colours and of brightness: colours alone outvote the lines
    of a drawing.
    """
    step = -1 if mirrored else 1
    in_colours = (first.colours * second.colours[:, ::step]).sum()
    in_tones = (first.tones * second.tones[:, ::step]).sum()
    return float(min(in_colours, in_tones))
