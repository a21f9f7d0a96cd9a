"""``studio adapter verify``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studio.cli.output import AsJson, Runs, note, result
from studio.errors import AdapterError, UserError

if TYPE_CHECKING:
    from studio.adapters.adapter import Adapter
    from studio.adapters.tools.verdicts import ToolVerdict
    from studio.adapters.verify import Verdict
    from studio.bases.base_model import BaseModel
    from studio.preview.parity.picture import PictureComparison


def verify(  # noqa: PLR0917 - options of a command
    file: Annotated[str, typer.Argument(help="Adapter file or folder, or run.")],
    base: Annotated[
        str | None, typer.Option(help="Base model. Default: the one trained on.")
    ] = None,
    tool: Annotated[
        list[str] | None,
        typer.Option(help="A tool that it must work in, such as ComfyUI; may be repeated."),
    ] = None,
    picture: Annotated[
        bool, typer.Option(help="Draw one picture of it, and once more as others read it.")
    ] = True,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Check that an adapter file does on its base what it says, and in which tools it will work."""
    from studio.adapters.files import read_adapter
    from studio.adapters.tools.verdicts import TOOLS
    from studio.cli.base import load_base
    from studio.cli.places import adapter_files

    wanted = _known(tool or [], TOOLS)
    adapters = {path: read_adapter(path) for path in adapter_files(file, runs)}
    stated = next(iter(adapters.values())).header.base_name
    model = load_base(base or stated or "pocket")
    found = [_verified(path, adapter, model, picture) for path, adapter in adapters.items()]
    result(
        {"files": [each.to_json() for each in found]},
        [line for each in found for line in each.lines()],
        as_json=as_json,
    )
    for each in found:
        each.insist(wanted)


@dataclass(frozen=True)
class _Verified:
    path: Path
    verdict: Verdict
    tools: tuple[ToolVerdict, ...]
    picture: PictureComparison | None

    def to_json(self) -> dict[str, Any]:
        return {
            "file": str(self.path),
            **self.verdict.to_json(),
            "tools": [each.to_json() for each in self.tools],
            "picture": self.picture and self.picture.to_json(),
        }

    def lines(self) -> list[str]:
        from studio.adapters.tools.verdicts import told

        verdict = self.verdict
        first = f"ok: {self.path}: {verdict.layers} layers, {verdict.format}, {verdict.dtype}"
        return [first, *told(self.tools), *([self.picture.sentence()] if self.picture else [])]

    def insist(self, wanted: Sequence[str]) -> None:
        """Refuse a file that draws another picture elsewhere, or will not work in a tool that is wanted.

        Raises:
            AdapterError: so it is.
        """
        if self.picture and not self.picture.same:
            raise AdapterError(f"{self.path} draws {self.picture.sentence()}")
        said = {each.tool: each for each in self.tools}
        for name in wanted:
            if name not in said:
                raise AdapterError(
                    f"nobody knows whether {name} reads {self.path}, in the format "
                    f"{self.verdict.format!r} of a plugin"
                )
            if not said[name].works:
                raise AdapterError(f"{self.path} {said[name].sentence()}")


def _verified(path: Path, adapter: Adapter, model: BaseModel, picture: bool) -> _Verified:
    """What all readers make of one file.

    Raises:
        AdapterError: it does not read back as what it says, or is for another family.
    """
    from studio.adapters.files import check_fits, format_of, naming
    from studio.adapters.tools.verdicts import tool_verdicts
    from studio.adapters.verify import verify as read_back
    from studio.preview.parity.picture import compare_picture

    with naming(path):
        for warning in check_fits(adapter, model):
            note(f"warning: {warning}")
    known = format_of(path)
    verdict = read_back(path, adapter, model, known)
    if not verdict.ok:
        raise AdapterError(f"{path} will not do what it says: {verdict.problem()}")
    tools = tool_verdicts(path, known, adapter, model)
    drawn = compare_picture(path, known, adapter, model, tools) if picture else None
    return _Verified(path, verdict, tools, drawn)


def _known(names: Iterable[str], tools: Iterable[str]) -> list[str]:
    """The tools asked for, by their own spelling.

    Raises:
        UserError: one is not known.
    """
    spelled = {known.lower(): known for known in tools}
    unknown = next((name for name in names if name.lower() not in spelled), None)
    if unknown is not None:
        known = ", ".join(spelled.values())
        raise UserError(f"--tool {unknown!r} is not known; give one of {known}")
    return [spelled[name.lower()] for name in names]
