"""How well curation tells two materials in one set, on photographs and by simulators it never saw.

    python benchmarks/photographs.py build/photographs        # fetches packages that hold photographs
    python benchmarks/mixed_sets.py build/photographs/held_out

Any folder of photographs will do. Sets are drawn from a fixed seed: no photograph twice in one, the
minority made by `held_out_materials`, which shares no code with what the classifier was taught by,
every picture put through the same last encoder. Reported for each mixture are the ROC-AUC of the
pictures' strangeness, the recall of the minority at 5% false alarms, and what the verdict did: how
often it spoke of two materials, how much of the minority it then named, and how much of what it
named was right; for sets of one material, how often it spoke all the same.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from studio.curation.material.judgement import judged
from studio.curation.material.make.examples import Examples, examples, joined
from studio.curation.settings import CurationSettings

sys.path.insert(0, str(Path(__file__).parent))
from held_out_materials import MATERIALS, apply
from results_page import write_section

SEED = 7
# The evidence asked for was chosen on this many of the photographs; the others are reported.
TUNED_ON = 110
DIGITAL = "digital_clean"
VARIED = ("digital_clean", "digital_noisy", "digital_processed")
VARIED_SHARES = (0.6, 0.2, 0.2)


@dataclass(frozen=True)
class Mixture:
    """``few`` pictures of one material among ``many`` of another; ``few`` 0 for a clean set."""

    many: int
    majority: str
    few: int = 0
    minority: str = ""

    def __str__(self) -> str:
        among = f"{self.many} {_words(self.majority)}"
        return f"{self.few} {_words(self.minority)} in {among}" if self.few else among


MIXTURES = (
    Mixture(45, DIGITAL, 5, "film_standard"),
    Mixture(45, DIGITAL, 10, "film_standard"),
    Mixture(45, DIGITAL, 20, "film_standard"),
    Mixture(18, DIGITAL, 4, "film_standard"),
    Mixture(45, DIGITAL, 5, "film_pushed"),
    Mixture(45, DIGITAL, 5, "film_disposable"),
    Mixture(45, DIGITAL, 5, "film_fine"),
    Mixture(45, DIGITAL, 20, "film_fine"),
    Mixture(60, "film_standard", 6, DIGITAL),
    Mixture(60, "film_fine", 6, DIGITAL),
    Mixture(60, "film_pushed", 6, DIGITAL),
    Mixture(50, "film_bw", 6, DIGITAL),
    Mixture(45, DIGITAL, 5, "jpeg_q30"),
    Mixture(60, "film_standard", 6, "jpeg_q30"),
    Mixture(45, DIGITAL, 5, "webp_low"),
    Mixture(45, DIGITAL, 5, "upscaled_2x"),
    Mixture(45, DIGITAL, 5, "over_smoothed"),
    Mixture(45, DIGITAL, 5, "drawing"),
    Mixture(45, DIGITAL, 5, "halftone"),
    Mixture(45, DIGITAL, 5, "overlay_grain"),
    Mixture(45, DIGITAL, 5, "av1_grain_strong"),
    Mixture(45, "film_pushed", 10, "film_fine"),
    Mixture(45, "varied", 5, "film_standard"),
)
CLEAN = (
    Mixture(50, DIGITAL),
    Mixture(20, DIGITAL),
    Mixture(50, "varied"),
    Mixture(20, "varied"),
    Mixture(50, "film_standard"),
    Mixture(20, "film_standard"),
    Mixture(50, "film_fine"),
    Mixture(50, "film_pushed"),
    Mixture(50, "film_bw"),
    Mixture(20, "film_bw"),
)


def main() -> None:
    args = _arguments()
    pool = Pool(_made(args), np.random.default_rng(SEED))
    text = "\n".join([*_mixtures(pool, args.sets), "", *_clean(pool, args.sets)])
    print(text)
    if args.write:
        write_section(
            "mixed-sets", _HEAD.format(photographs=pool.photographs, sets=args.sets) + text
        )


_HEAD = """## Two materials in one set

Written by `make mixed-sets`: {sets} sets of each kind, drawn from {photographs} photographs by people whose
pictures taught the classifier nothing; film, compression and drawings made by simulators that share no
code with those that taught it. Limits were set on other photographs, with the same simulators, but for two
that an earlier state of this table led to: at least two strangers, and the doubt in digital among film.
A picture's strangeness ranks the set: area under the curve, and recall of the minority at 5% false alarms.
The verdict speaks of two materials, or is silent.

"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("photographs", type=Path, help="folder of photographs")
    parser.add_argument("--sets", type=int, default=40, help="drawn of each kind")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--tuning", action="store_true", help="the photographs that limits were set on"
    )
    parser.add_argument(
        "--keep", type=Path, help=".npz to keep the features in, and take them from"
    )
    parser.add_argument("--write", action="store_true", help="into docs/results.md")
    return parser.parse_args()


def _made(args: argparse.Namespace) -> Examples:
    if args.keep and args.keep.exists():
        return Examples.load(args.keep)
    paths = _part(sorted(p for p in args.photographs.iterdir() if p.is_file()), tuning=args.tuning)
    majorities = {m.majority for m in (*MIXTURES, *CLEAN)} - {"varied"} | set(VARIED)
    # A minority needs few pictures: a third of the photographs are made in its material.
    parts = [
        (paths, sorted(majorities)),
        (paths[::3], sorted({m.minority for m in MIXTURES} - majorities)),
    ]
    found = joined(
        [
            examples(
                part,
                [m for m in materials if m in MATERIALS],
                apply,
                seed=SEED,
                workers=args.workers,
                progress=_progress,
            )
            for part, materials in parts
        ]
    )
    if args.keep:
        found.save(args.keep)
    return found


def _part(paths: list[Path], *, tuning: bool) -> list[Path]:
    np.random.default_rng(5).shuffle(paths)  # type: ignore[arg-type]
    if len(paths) < 2 * TUNED_ON:
        return paths  # another folder than the one that limits were set on
    return paths[:TUNED_ON] if tuning else paths[TUNED_ON:]


def _progress(done: int, total: int) -> None:
    print(f"\rmaking pictures: {done} of {total} photographs", end="", file=sys.stderr, flush=True)


class Pool:
    """Every photograph in every material, to draw sets from."""

    def __init__(self, made: Examples, rng: np.random.Generator) -> None:
        self.features = made.features
        self.rows = {
            key: i for i, key in enumerate(zip(made.photographs, made.materials, strict=True))
        }
        self.names = np.unique(made.photographs)
        self.rng = rng

    @property
    def photographs(self) -> int:
        return len(self.names)

    def has(self, mixture: Mixture) -> bool:
        made = {material for _, material in self.rows} | {"varied", ""}
        return {mixture.majority, mixture.minority} <= made

    def drawn(self, mixture: Mixture) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """(pictures, features), and which of them are the minority."""
        order = self.rng.permutation(self.names)
        strangers = [n for n in order if (n, mixture.minority) in self.rows][: mixture.few]
        others = [n for n in order if n not in strangers][: mixture.many]
        if len(strangers) < mixture.few or len(others) < mixture.many:
            raise SystemExit(f"too few photographs for {mixture}")
        rows = [self.rows[n, mixture.minority] for n in strangers]
        rows += [self.rows[n, self._of_majority(mixture)] for n in others]
        return self.features[rows], np.arange(len(rows)) < mixture.few

    def _of_majority(self, mixture: Mixture) -> str:
        if mixture.majority != "varied":
            return mixture.majority
        return str(self.rng.choice(VARIED, p=VARIED_SHARES))


@dataclass(frozen=True)
class Outcome:
    """Of one set: area, recall at 5% false alarms, and the verdict's members against the truth."""

    area: float
    recall: float
    spoke: bool
    named: float
    right: float


def outcome(values: NDArray[np.float32], strange: NDArray[np.bool_]) -> Outcome:
    judgement = judged(values)
    scores = judgement.strangeness
    limit = np.quantile(scores[~strange], 0.95)
    named = judgement.strangers(CurationSettings().material_evidence)
    spoke = bool(named.any())
    return Outcome(
        area=float(roc_auc_score(strange, scores)),
        recall=float((scores[strange] > limit).mean()),
        spoke=spoke,
        named=float(named[strange].mean()) if spoke else float("nan"),
        right=float(strange[named].mean()) if spoke else float("nan"),
    )


def _mixtures(pool: Pool, sets: int) -> Iterator[str]:
    columns = (
        "ROC-AUC | recall at 5% false alarms | says two materials | names of them | of those, right"
    )
    yield f"| set | {columns} |"
    yield "|---|---|---|---|---|---|"
    for mixture in filter(pool.has, MIXTURES):
        found = [outcome(*pool.drawn(mixture)) for _ in range(sets)]
        area, recall = (np.mean([getattr(o, name) for o in found]) for name in ("area", "recall"))
        spoke = [o for o in found if o.spoke]
        shares = [_percent([getattr(o, name) for o in spoke]) for name in ("named", "right")]
        said = f"{len(spoke) / sets:.0%} | {' | '.join(shares)}"
        yield f"| {mixture} | {area:.3f} | {recall:.2f} | {said} |"


def _clean(pool: Pool, sets: int) -> Iterator[str]:
    yield "| set of one material | says two materials | pictures named in vain |"
    yield "|---|---|---|"
    for mixture in filter(pool.has, CLEAN):
        spoke, vain = 0, []
        for _ in range(sets):
            judgement = judged(pool.drawn(mixture)[0])
            named = judgement.strangers(CurationSettings().material_evidence)
            spoke += named.any()
            vain.append(named.mean())
        yield f"| {mixture} | {spoke / sets:.0%} | {np.mean(vain):.1%} |"


def _percent(values: Sequence[float]) -> str:
    return f"{np.mean(values):.0%}" if values else "-"


def _words(material: str) -> str:
    return {"varied": "digital (a fifth noisy, a fifth edited)", DIGITAL: "digital"}.get(
        material, material.replace("_", " ")
    )


if __name__ == "__main__":
    main()
