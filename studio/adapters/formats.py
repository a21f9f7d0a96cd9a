"""The file formats of each adapter kind. Knowing their names imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from studio.errors import AdapterError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from studio.adapters.adapter import Adapter
    from studio.adapters.measurement import Measurement
    from studio.adapters.tensor_bytes import Dtype
    from studio.bases.base_model import BaseModel

SAFETENSORS = ".safetensors"
LOW_RANK = ("lora", "loha", "lokr", "oft", "diag_oft")
"""The kinds of adapters that change a layer's weight by few numbers."""
MAX_HEADER_BYTES = 16 << 20
"""A thousand times what a large adapter's header takes."""
FILE_STEM_KEY = "studio.file_stem"
"""Metadata that ``read`` gets beside the file's own: the file's name, for formats that say no other."""


class FormatModule(Protocol):
    """What a format's module defines.

    A format that is no safetensors file defines `PathFormatModule.read_path` in the place of ``read``.
    """

    def recognises(self, keys: Iterable[str]) -> bool:
        """Whether content of these names is in this format: a safetensors file's tensors, a pickled
        file's keys as text, or a folder's files by their path in it.
        """

    def write(self, adapter: Adapter, path: Path, dtype: Dtype, base: BaseModel) -> None:
        """Write one file, or into one empty folder."""

    def read(self, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Adapter:
        """The adapter in a safetensors file's content."""


class PathFormatModule(Protocol):
    """What the module of a format defines that reads its files by itself: a pickle, a folder."""

    def read_path(self, path: Path) -> Adapter:
        """The adapter in a file or folder, fp32 on the CPU."""


class PartedFormatModule(Protocol):
    """What the module of a format also defines whose files hold one part of an adapter each."""

    def parts(self, adapter: Adapter) -> list[tuple[str, Adapter]]:
        """The adapters that go into a file each, with the name that the file must have."""


class ReadBackModule(Protocol):
    """What a format's second, independent reader defines; it shares no code with the first."""

    def measure(self, path: Path, adapter: Adapter, base: BaseModel) -> Measurement:
        """Read ``path`` by the format's documented rules and compare it with ``adapter``."""


@dataclass(frozen=True)
class Format:
    """One way to write one kind of adapter.

    Attributes:
        kind: what the file holds: the header's ``kind``.
        name: as recipes and the command line call it.
        suffix: added to the adapter's name before the extension.
        module, readback_module: dotted paths of a `FormatModule` and a `ReadBackModule`.
        extension: the file's ending with its dot; empty for a folder.
        families: of base models, those whose adapters it can hold; empty: all.
    """

    kind: str
    name: str
    suffix: str
    module: str
    readback_module: str
    extension: str = SAFETENSORS
    families: tuple[str, ...] = ()

    def load(self) -> FormatModule:
        return cast("FormatModule", import_module(self.module))

    def parts(self, adapter: Adapter, name: str) -> list[tuple[str, Adapter]]:
        """What goes into a file each, by file name: the whole under ``name``, unless the format says
        otherwise.
        """
        module = self.load()
        if hasattr(module, "parts"):
            named = cast("PartedFormatModule", module).parts(adapter)
        else:
            named = [(name, adapter)]
        return [(self.file_name(stem), part) for stem, part in named]

    def load_readback(self) -> ReadBackModule:
        return cast("ReadBackModule", import_module(self.readback_module))

    def holds(self, family: str) -> bool:
        """Whether it can hold adapters for a family of base models."""
        return not self.families or family in self.families

    def file_name(self, name: str) -> str:
        """The name of an adapter's file in this format."""
        return f"{name}{self.suffix}{self.extension}"


_formats: dict[tuple[str, str], Format] = {}


def register(added: Format) -> None:
    """Add a format; a plugin with a kind of its own brings its formats this way.

    Raises:
        AdapterError: another format has that kind and name.
    """
    if _formats.setdefault((added.kind, added.name), added) != added:
        raise AdapterError(
            f"two packages provide the format {added.name!r} of {added.kind} adapters"
        )


def formats(*kinds: str) -> list[Format]:
    """Every known format in the order of registration, of the kinds given or of all."""
    return [known for known in _formats.values() if not kinds or known.kind in kinds]


def recognise(keys: Iterable[str], extension: str = SAFETENSORS) -> Format | None:
    """The format of that extension that content of these names is in; see `FormatModule`."""
    names = list(keys)
    candidates = (known for known in formats() if known.extension == extension)
    return next((known for known in candidates if known.load().recognises(names)), None)


def format_named(kind: str, name: str) -> Format:
    """One format of one kind.

    Raises:
        AdapterError: there is none of that name.
    """
    if (kind, name) not in _formats:
        names = ", ".join(known.name for known in formats(kind)) or "none"
        raise AdapterError(f"{kind} adapters have no format {name!r}; there are: {names}")
    return _formats[kind, name]


def default_format(kind: str, family: str = "") -> Format:
    """The format that is written where none is asked for: the kind's first that holds the family.

    Args:
        family: of base models; empty: whichever.

    Raises:
        AdapterError: no format of that kind is known, or none that holds the family.
    """
    known = formats(kind)
    if not known:
        raise AdapterError(f"no file format for adapters of kind {kind!r} is installed")
    able = [one for one in known if not family or one.holds(family)]
    if not able:
        raise AdapterError(
            f"no file format holds {kind} adapters for a base of family {family!r}; train a lora"
        )
    return able[0]


def family_problems(kinds: Iterable[str], names: Iterable[str], family: str) -> Iterator[str]:
    """What speaks against the formats of a recipe with a family of base models; known before loading.

    Args:
        kinds: of adapters that the run may make.
        names: of formats asked for; none: the default.
    """
    asked = list(names)
    for kind in kinds:
        known = formats(kind)
        able = [one.name for one in known if one.holds(family)]
        for index, name in enumerate(asked):
            if name in {one.name for one in known} - set(able):
                yield (
                    f"export.formats[{index}]: {name} has no names for the layers of family {family}; "
                    f"for {kind} there is: {', '.join(able) or 'none, train a lora'}"
                )
        if known and not able and not asked:
            yield f"trainer: no file format holds {kind} adapters of family {family}; train a lora"


def _in_kohyas_naming(kind: str) -> Format:
    """What sd-scripts writes; it names the layers of these families only."""
    return Format(
        kind,
        "kohya",
        "",
        "studio.adapters.kohya",
        "studio.adapters.readback_kohya",
        families=("sd1", "sd2", "sdxl"),
    )


# Before the LoRA formats, which would take its LoRA for the whole of it.
register(
    Format("pivotal", "bundle", "", "studio.adapters.bundle", "studio.adapters.readback_bundle")
)
register(_in_kohyas_naming("lora"))
register(
    Format(
        "lora",
        "diffusers",
        "-diffusers",
        "studio.adapters.diffusers_format",
        "studio.adapters.readback_diffusers",
    )
)
register(_in_kohyas_naming("loha"))
register(_in_kohyas_naming("lokr"))
register(_in_kohyas_naming("diag_oft"))
register(Format("oft", "peft", "", "studio.adapters.peft_format", "studio.adapters.readback_peft"))
# Beside their files in kohya's naming.
for _variant in ("loha", "lokr"):
    register(
        Format(
            _variant,
            "peft",
            "-peft",
            "studio.adapters.peft_format",
            "studio.adapters.readback_peft",
        )
    )
register(
    Format(
        "full",
        "checkpoint",
        "",
        "studio.adapters.checkpoint",
        "studio.adapters.readback_checkpoint",
    )
)
register(
    Format(
        "full",
        "diffusers",
        "-diffusers",
        "studio.adapters.diffusers_model",
        "studio.adapters.readback_diffusers_model",
        extension="",
    )
)
register(
    Format(
        "full",
        "extracted",
        "-extracted",
        "studio.adapters.extracted",
        "studio.adapters.readback_extracted",
    )
)
register(
    Format(
        "hypernetwork",
        "a1111",
        "",
        "studio.adapters.hypernetwork_pt",
        "studio.adapters.readback_hypernetwork",
        ".pt",
    )
)
register(
    Format(
        "hypernetwork",
        "safetensors",
        "",
        "studio.adapters.hypernetwork_safetensors",
        "studio.adapters.readback_hypernetwork",
    )
)
register(
    Format(
        "pivotal",
        "kohya",
        "-kohya",
        "studio.adapters.pivotal_folder",
        "studio.adapters.readback_pivotal_folder",
        extension="",
    )
)
register(
    Format(
        "textual_inversion",
        "a1111",
        "",
        "studio.adapters.embedding_files",
        "studio.adapters.readback_embedding",
    )
)
register(
    Format(
        "textual_inversion",
        "diffusers",
        "-diffusers",
        "studio.adapters.embedding_diffusers",
        "studio.adapters.readback_embedding",
    )
)
register(
    Format(
        "textual_inversion",
        "a1111_pt",
        "",
        "studio.adapters.embedding_pt",
        "studio.adapters.readback_embedding_pt",
        extension=".pt",
    )
)
