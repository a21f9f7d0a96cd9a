"""Gathers camera photographs, and a few scans of film, from wallpaper packages of Ubuntu's archive.

python benchmarks/photographs.py OUT                      # downloads about 2.1 GB
python benchmarks/photographs.py OUT --packages FOLDER    # keeps the packages for the next time

Writes OUT/training, OUT/held_out and OUT/film_real: the original files, not encoded anew, named
`<package>-<picture>`; nothing else in OUT is touched. Nothing is installed. What cannot be had is
named and passed over. Needs apt-get and dpkg-deb; the packages are in photograph_sources.py.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import imagehash
from photograph_sources import SOURCES, Source
from PIL import Image

from studio.cli.terminal import TerminalReporter
from studio.curation.file_facts import file_facts

UBUNTU = "http://archive.ubuntu.com/ubuntu {suite} main universe"
UBUNTU_KEYS = Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg")
DEBIAN = "http://deb.debian.org/debian trixie main"  # has Ubuntu's keys in a package
DEBIAN_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

SHORTEST_SIDE = 700  # pixels
COARSEST_LUMA = 18.0  # mean of a JPEG's table of brightness: libjpeg's at quality 85 has 17.3
SAME_PICTURE = 8  # of the perceptual hash's 64 bits
ENDINGS = (".jpg", ".jpeg", ".png")


class Archive:
    """An archive of packages, asked by apt-get with a configuration of its own."""

    def __init__(self, archive: str, keys: Path, folder: Path) -> None:
        """Fetches the index into `folder`.

        Raises:
            subprocess.CalledProcessError: out of reach, or not signed with `keys`.
        """
        (folder / "lists" / "partial").mkdir(parents=True)
        (folder / "sources.list").write_text(f"deb [signed-by={keys}] {archive}\n")
        (folder / "apt.conf").write_text(
            f'Dir::Etc::sourcelist "{folder}/sources.list";\n'
            'Dir::Etc::sourceparts "/dev/null";\n'
            'Dir::State::status "/dev/null";\n'
            f'Dir::State::lists "{folder}/lists";\n'
            f'Dir::Cache "{folder}/cache";\n'
            'Acquire::Languages "none";\n'
            # apt's own user could not write into a folder of ours.
            f'APT::Sandbox::User "{folder.owner()}";\n'
        )
        self._environment = {"APT_CONFIG": f"{folder}/apt.conf", "PATH": "/usr/bin:/bin"}
        self._apt("update", "--error-on=any", cwd=folder)

    def download(self, package: str, folder: Path) -> Path:
        """The package's file in `folder`, fetched unless it is there.

        Raises:
            subprocess.CalledProcessError: the archive has it no more, or broke off.
        """
        if not list(folder.glob(f"{package}_*.deb")):
            self._apt("download", package, cwd=folder)
        return next(folder.glob(f"{package}_*.deb"))

    def _apt(self, *arguments: str, cwd: Path) -> None:
        command = ["apt-get", "--quiet=2", *arguments]
        subprocess.run(
            command, cwd=cwd, env=self._environment, check=True, stdout=subprocess.DEVNULL
        )


@dataclass(frozen=True)
class Picture:
    """A candidate: where it lies for now, what it comes from and what it looks like."""

    path: Path
    source: Source
    package: str
    pixels: int
    looks: imagehash.ImageHash

    def repeats(self, other: Picture) -> bool:
        return self.path.name == other.path.name or self.looks - other.looks <= SAME_PICTURE


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--packages", type=Path, help="where the downloads are kept")
    given, note = parser.parse_args(), TerminalReporter().note
    with TemporaryDirectory() as folder:
        work = Path(folder)
        packages = (given.packages or work / "packages").resolve()
        kept = distinct(list(candidates(SOURCES, packages, work, note)))
        for picture in kept:
            target = given.out / picture.source.split / picture.path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture.path, target)
    for (split, package), count in sorted(Counter(map(_place, kept)).items()):
        note(f"{split:10} {count:4}  {package}")
    for split, count in sorted(Counter(picture.source.split for picture in kept).items()):
        note(f"{split:10} {count:4}  in all")


def _place(picture: Picture) -> tuple[str, str]:
    return picture.source.split, picture.package


def candidates(
    sources: Sequence[Source], packages: Path, work: Path, note: Callable[[str], None]
) -> Iterator[Picture]:
    """Every wanted picture of the sources, unpacked below `work`; failures are noted."""
    for suite, group in groupby(sorted(sources, key=_suite), key=_suite):
        downloads = packages / suite
        downloads.mkdir(parents=True, exist_ok=True)
        try:
            archive = Archive(UBUNTU.format(suite=suite), ubuntu_keys(work), work / suite)
        except subprocess.CalledProcessError as error:
            note(f"Ubuntu {suite} cannot be reached, passed over: {error}")
            continue
        for source in group:
            for name in source.packages():
                try:
                    package = archive.download(name, downloads)
                except subprocess.CalledProcessError as error:
                    note(f"{name} cannot be had from {suite}, passed over: {error}")
                    continue
                yield from look(package, name, source, work / source.split / suite / name)


def _suite(source: Source) -> str:
    return source.suite


def ubuntu_keys(work: Path) -> Path:
    """The keys that Ubuntu signs with: this machine's, or from the package of Debian."""
    unpacked = work / "keys" / "tree"
    if UBUNTU_KEYS.exists():
        return UBUNTU_KEYS
    if not unpacked.exists():
        archive = Archive(DEBIAN, DEBIAN_KEYS, work / "keys")
        package = archive.download("ubuntu-keyring", work / "keys")
        subprocess.run(["dpkg-deb", "--extract", package, unpacked], check=True)
    return unpacked / UBUNTU_KEYS.relative_to("/")


def look(package: Path, name: str, source: Source, folder: Path) -> Iterator[Picture]:
    """The package's pictures that the source wants and that are large and fine enough."""
    for path in unpack(package, name, source, folder):
        with Image.open(path) as image:
            steps = file_facts(image).luma_table
            fine = not steps or sum(steps) / len(steps) <= COARSEST_LUMA
            if source.judged and not (fine and min(image.size) >= SHORTEST_SIDE):
                continue
            pixels = image.width * image.height
            image.draft("RGB", (256, 256))
            yield Picture(path, source, name, pixels, imagehash.phash(image.convert("RGB")))


def unpack(package: Path, name: str, source: Source, folder: Path) -> Iterator[Path]:
    """Writes wanted pictures below `folder`; no path or link of the package is followed."""
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as listing,
        tarfile.open(fileobj=listing.stdout, mode="r|") as members,
    ):
        for number, member in enumerate(members):
            inside = PurePosixPath(member.name)
            picture = picture_name(inside)
            if inside.suffix.lower() not in ENDINGS or not source.wants(picture):
                continue
            data = members.extractfile(member) if member.isfile() else None
            if data is not None:
                plain = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{name}-{picture}")
                path = folder / str(number) / f"{plain}{inside.suffix.lower()}"
                path.parent.mkdir(parents=True)
                path.write_bytes(data.read())
                yield path


def picture_name(inside: PurePosixPath) -> str:
    """`Grass` of `wallpapers/Grass/contents/images/1920x1200.jpg`, else the file's own name."""
    sized = re.fullmatch(r"\d+x\d+", inside.stem) and len(inside.parents) > 3
    return inside.parents[2].name if sized else inside.stem


def distinct(pictures: Sequence[Picture]) -> list[Picture]:
    """One of each picture, the largest."""
    kept: list[Picture] = []
    for picture in sorted(pictures, key=lambda candidate: -candidate.pixels):
        if not any(picture.repeats(other) for other in kept):
            kept.append(picture)
    return kept


if __name__ == "__main__":
    main()
