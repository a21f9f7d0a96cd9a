"""All sets of pictures that a person has looked at here.

::

    sets = PictureSets(workplace)
    icons = sets.add("~/pictures/icons")
    sets.decide(icons.name, "blurred.png", False)
    sets.set_caption(icons.name, "fox.png", "a fox in the snow")
    sets.manifest(icons.name)          # what the newest judgement found; None before the first

The pictures stay where they are and are only ever read; what is decided about them lies in
``runs/.studio/sets/<name>/`` (`studio.workplace.set_folder`).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from filelock import FileLock

from studio import atomic
from studio.curation.captions import captions_of
from studio.curation.manifest import CuratedSet
from studio.curation.scan import scan
from studio.curation.sources import given
from studio.curation.sources.folder import pictures_folder
from studio.curation.sources.kinds import recognised
from studio.errors import DatasetError
from studio.recipe.schema import is_name
from studio.workplace.hand_captions import has_captions, read_caption, write_caption
from studio.workplace.judgement import Judgement
from studio.workplace.picture_roots import picture_roots
from studio.workplace.picture_set import PictureSet
from studio.workplace.reading import settings_of
from studio.workplace.set_folder import SET_NAME, SetFolder
from studio.workplace.set_names import free_name
from studio.workplace.uploads import Upload, receive
from studio.workplace.workplace import Workplace

__all__ = ["PictureSet", "PictureSets"]


class PictureSets:
    """Those of one workplace. Several tabs and processes may use it at once."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._root = workplace.sets

    def names(self) -> list[str]:
        """Sorted."""
        found = self._root.glob(f"*/{SET_NAME}")
        return sorted(path.parent.name for path in found if is_name(path.parent.name))

    def get(self, name: str) -> PictureSet:
        """Raises:
        DatasetError: there is no such set; names the nearest.
        """
        return self.folder(name).read()

    def folder(self, name: str) -> SetFolder:
        """Raises:
        DatasetError: there is no such set; names the nearest.
        """
        place = SetFolder(self._root / name) if is_name(name) else None
        if place is None or not place.set_path.is_file():
            near = get_close_matches(name, self.names(), n=1)
            hint = f'did you mean "{near[0]}"?' if near else "choose one of the list, or add it"
            raise DatasetError(f"there is no set {name!r}; {hint}")
        return place

    def of_source(self, source: Path) -> PictureSet | None:
        """The first set of these pictures, if there is one."""
        known = (self.get(name) for name in self.names())
        return next((each for each in known if each.source == str(source)), None)

    def add(self, source: Path | str, name: str | None = None, trigger: str = "") -> PictureSet:
        """Take up a folder or an archive that lies on this machine; it is not copied.

        Args:
            name: made from the source's where none is given; numbered where it is taken.

        Raises:
            RootsError: it is outside the folders that may be read.
            DatasetError: there is nothing of that name, or nothing that a set could be.
        """
        path = picture_roots(self._workplace).allowed(source)
        if recognised(str(path)) is None:
            scan(path)
        with self._adding():
            free = self._free_name(name or given.title(str(path)))
            picture_set = PictureSet(free, str(path), trigger=trigger.strip())
            SetFolder(self._root / free).write(picture_set)
        return picture_set

    def add_uploads(
        self, files: Sequence[Upload], name: str | None = None, trigger: str = ""
    ) -> PictureSet:
        """Take up what came in through the browser: pictures with captions, or one archive.

        Raises:
            DatasetError: the files are too many, too large, of other kinds or of one name, or the disk
                is full; nothing is left behind.
        """
        with self._adding():
            free = self._free_name(name or _title(files))
            with atomic.replacing_folder(self._root / free) as temporary:
                received = receive(files, temporary)
                source = self._root / free / received
                picture_set = PictureSet(free, str(source), trigger=trigger.strip())
                SetFolder(temporary).write(picture_set)
        return picture_set

    def decide(self, name: str, picture: str, keep: bool | None) -> PictureSet:
        """Keep or drop a picture whatever the checks say; None takes the word back."""
        return self.decide_all(name, {picture: keep})

    def decide_all(self, name: str, words: Mapping[str, bool | None]) -> PictureSet:
        """Several decisions at once.

        Raises:
            DatasetError: no such set, or a picture that is not in it.
        """
        judgement = self.judgement(name)
        for picture in words:
            if judgement is not None and picture not in judgement.by_name:
                raise DatasetError(f"{picture!r} is no picture of {name}; look at the set again")

        def decided(before: PictureSet) -> PictureSet:
            kept = [p for p in before.keep if p not in words] + [p for p, k in words.items() if k]
            dropped = [p for p in before.drop if p not in words]
            dropped += [p for p, keep in words.items() if keep is False]
            return replace(before, keep=tuple(kept), drop=tuple(dropped))

        return self.folder(name).change(decided)

    def set_caption(self, name: str, picture: str, text: str | None) -> PictureSet:
        """Write a picture's caption; None takes it back, so that the found one counts again.

        Raises:
            DatasetError: no such set or picture, or a caption that cannot be (`write_caption`).
        """
        place = self.folder(name)
        known = self.judgement(name)
        if known is None:
            raise DatasetError(f"{name} was not looked at yet; wait until it is")

        def edited(before: PictureSet) -> PictureSet:
            write_caption(place.captions, picture, text, known.by_name)
            folder = str(place.captions) if has_captions(place.captions) else ""
            return replace(before, caption_folder=folder, caption_edits=before.caption_edits + 1)

        return place.change(edited)

    def caption(self, name: str, picture: str) -> str | None:
        """The caption as it was edited here; None where it is as it was found."""
        return read_caption(self.folder(name).captions, picture)

    def found_caption(self, name: str, picture: str) -> str:
        """The caption as it was found, whatever was edited here; read anew."""
        settings = settings_of(replace(self.get(name), caption_folder=""))
        captions, _ = captions_of(scan(pictures_folder(settings)), settings)
        return captions[picture].text if picture in captions else ""

    def change(
        self, name: str, *, trigger: str | None = None, base_model: str | None = None
    ) -> PictureSet:
        """What is not None takes the place of what was."""

        def changed(before: PictureSet) -> PictureSet:
            return replace(
                before,
                trigger=before.trigger if trigger is None else trigger.strip(),
                base_model=before.base_model if base_model is None else base_model.strip(),
            )

        return self.folder(name).change(changed)

    def remove(self, name: str, *, uploads: bool = False) -> None:
        """Forget a set, never the user's own pictures.

        Args:
            uploads: what came in through the browser, and captions that were edited, go too; recipes
                that name them no longer run. Otherwise they stay in their folder.
        """
        place = self.folder(name)
        with self._adding(), place.lock():
            if uploads:
                shutil.rmtree(place.path)
                return
            for path in (place.set_path, place.manifest_path, place.judged_path, place.report_path):
                path.unlink(missing_ok=True)

    def has_uploads(self, name: str) -> bool:
        """Whether its pictures are in our keeping."""
        return Path(self.get(name).source).is_relative_to(self.folder(name).path)

    def judgement(self, name: str) -> Judgement | None:
        """The newest, ready to be asked for single pictures; None before the first."""
        return self.folder(name).judgement()

    def manifest(self, name: str) -> CuratedSet | None:
        """What the newest judgement found; None before the first."""
        judgement = self.judgement(name)
        return None if judgement is None else judgement.curated

    def is_stale(self, name: str) -> bool:
        """Whether something was decided, edited or changed since the newest judgement."""
        return self.folder(name).is_stale()

    def _adding(self) -> FileLock:
        self._root.mkdir(parents=True, exist_ok=True)
        return FileLock(self._root / ".lock")

    def _free_name(self, title: str) -> str:
        return free_name(title, lambda name: (self._root / name).exists())


def _title(files: Sequence[Upload]) -> str:
    """An archive's name; a crowd of pictures has none."""
    return given.title(files[0].name) if len(files) == 1 else "uploaded"
