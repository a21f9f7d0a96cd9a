"""Where of each picture is learned from: its own transparency, or a mask beside it. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from studio.curation.decode import open_alpha, open_rgb
from studio.curation.manifest import CuratedSet
from studio.curation.scan import EXTENSIONS
from studio.curation.settings import DatasetSettings
from studio.errors import DatasetError

_SHOWN = 3


class MaskSource:
    """The masks of a set, by the path of the picture.

    Raises:
        DatasetError: ``mask_folder`` is no folder, or one that is read as pictures too.
    """

    def __init__(self, settings: DatasetSettings) -> None:
        self.kind = settings.mask
        self._source = Path(settings.source).expanduser()
        self._folder = Path(settings.mask_folder).expanduser()
        self._by_stem = self._find() if self.kind == "folder" else {}

    def mask(self, path: Path, size_px: tuple[int, int]) -> Image.Image | None:
        """The picture's mask at its own size, mode L, white where it is learned from; None where that
        is everywhere: nothing is transparent, or the picture is not one of the set.

        Args:
            size_px: the picture's width and height.

        Raises:
            DatasetError: the mask is missing, cannot be read or has another size than the picture.
        """
        if self.kind == "none":
            return None
        if self.kind == "alpha":
            return open_alpha(path)
        if not path.is_relative_to(self._source):
            return None
        found = self._by_stem.get(self._stem(path))
        if found is None:
            raise DatasetError(f"{path} has no mask in {self._folder}; add one of the same name")
        mask = open_rgb(found).convert("L")
        if mask.size != size_px:
            raise DatasetError(
                f"the mask {found} has {_px(mask.size)}, its picture {_px(size_px)}; "
                "a mask has its picture's size"
            )
        return mask

    def missing(self, paths: Iterable[Path]) -> list[Path]:
        """Pictures without a mask of their name in the folder."""
        return [path for path in paths if self._stem(path) not in self._by_stem]

    def _find(self) -> dict[str, Path]:
        if not self._folder.is_dir():
            raise DatasetError(f"no folder {self._folder}; check the path of dataset.mask_folder")
        if self._folder.resolve().is_relative_to(self._source.resolve()):
            raise DatasetError(
                f"{self._folder} lies in {self._source}, so its masks would be learned from as "
                "pictures; move it elsewhere"
            )
        files = sorted(p for p in self._folder.rglob("*") if p.suffix.lower() in EXTENSIONS)
        return {p.relative_to(self._folder).with_suffix("").as_posix(): p for p in files}

    def _stem(self, path: Path) -> str:
        return path.relative_to(self._source).with_suffix("").as_posix()


def read_from(curated: CuratedSet, settings: DatasetSettings) -> DatasetSettings:
    """The settings with the folder where the set's pictures are read as their source."""
    return settings.model_copy(update={"source": str(curated.source)})


def require_masks(curated: CuratedSet, settings: DatasetSettings) -> None:
    """Let a set pass whose masks can be used, whichever way the recipe asks for them.

    Raises:
        DatasetError: a kept picture's mask is missing, unreadable, of another size or black
            throughout; or none of the pictures has any transparency to go by.
    """
    masks = MaskSource(read_from(curated, settings))
    sizes_px = {curated.path_of(p): (p.width_px, p.height_px) for p in curated.kept}
    if masks.kind == "alpha" and not any(masks.mask(*picture) for picture in sizes_px.items()):
        raise DatasetError(
            f"dataset.mask is alpha, but none of the {len(sizes_px)} pictures in {curated.title} has "
            "an alpha channel; set it to none or folder"
        )
    if masks.kind == "folder":
        _require_files(masks, sizes_px, settings.mask_folder)


def _require_files(masks: MaskSource, sizes_px: dict[Path, tuple[int, int]], folder: str) -> None:
    if missing := masks.missing(sizes_px):
        shown = ", ".join(path.name for path in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DatasetError(
            f"{folder} has no mask for {shown}{more}; add a picture of the same name for each"
        )
    for path, size_px in sizes_px.items():
        mask = masks.mask(path, size_px)
        if mask is not None and mask.getbbox() is None:
            raise DatasetError(
                f"the mask of {path} is black throughout, so nothing is learned from it; "
                "paint white what matters, or leave the picture out"
            )


def _px(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} px"
