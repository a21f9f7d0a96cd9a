"""The model card of a run's adapter: a README.md that says what it does, how well, and how to use it.

Its front matter is what hubs read (Mitchell et al., 2019, arXiv 1810.03993, for the idea). Everything in
it is of the exported file's header and of the run's report; no path, no picture's name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from studio.adapters.adapter import AdapterHeader
from studio.adapters.files import read_adapter
from studio.adapters.header import public_header
from studio.adapters.tools.verdicts import DIFFUSERS, ToolVerdict, told
from studio.errors import RunError
from studio.run_folder import RunFolder

PREVIEW_NAME = "preview.png"
POCKET = "pocket"
_TAGS = ("text-to-image", "stable-diffusion", "adapter-studio")
_METHODS = {
    "lora": "LoRA",
    "loha": "LoHa",
    "lokr": "LoKr",
    "oft": "OFT",
    "diag_oft": "OFT",
    "full": "whole model",
}
_FAMILIES = {
    "sd1": "Stable Diffusion 1.x",
    "sd2": "Stable Diffusion 2.x",
    "sdxl": "Stable Diffusion XL",
}


def model_card(run: RunFolder, licence: str = "") -> str:
    """The card's text, front matter included.

    Args:
        licence: a hub's word for it, ``cc-by-4.0``; empty says none.

    Raises:
        RunError: the run has exported nothing yet.
        AdapterError: an exported file cannot be read.
    """
    files = next(iter(run.adapters()), ())
    if not files:
        raise RunError(
            f'the run "{run.name}" has exported no adapter; finish it with: studio resume {run.name}'
        )
    header = public_header(read_adapter(files[0]).header)
    tools = _tools(run, files[0].name)
    return _template().render(
        front_matter=_front_matter(header, licence, tools),
        header=header,
        method=_METHODS.get(header.kind, header.kind.replace("_", " ")),
        base=_base(header),
        settings=_settings(header),
        files=[path.name for path in files],
        tools=told(tools),
        report=run.report() or {},
        preview=PREVIEW_NAME if run.preview_path.is_file() else "",
    )


def _front_matter(header: AdapterHeader, licence: str, tools: Sequence[ToolVerdict]) -> str:
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        base_model=header.base_name if "/" in header.base_name else None,
        instance_prompt=header.trigger or None,
        library_name=DIFFUSERS if any(t.works for t in tools if t.tool == DIFFUSERS) else None,
        license=licence or None,
        tags=[header.kind.replace("_", "-"), *_TAGS],
    )
    text: str = data.to_yaml()
    return text.strip()


def _base(header: AdapterHeader) -> str:
    family = _FAMILIES.get(header.family, header.family)
    return f"pocket, which is built as {family} is" if header.base_name == POCKET else family


def _settings(header: AdapterHeader) -> dict[str, Any]:
    """Those that do something; what is off or left to its default says nothing."""
    settings: dict[str, Any] = json.loads(header.settings or "{}")
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in settings.items()
        if name != "kind" and value not in (None, False, 0, "", [], {}, -1)
    }


def _tools(run: RunFolder, file: str) -> list[ToolVerdict]:
    """What the export found out about other tools."""
    events = (e for e in run.events.read() if e["event"] == "exported" and e.get("file") == file)
    last: dict[str, Any] = next(iter(reversed(list(events))), {})
    return [ToolVerdict(**verdict) for verdict in last.get("tools", ())]


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("studio.sharing", "templates"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["word"] = _word
    return environment.get_template("card.md.j2")


def _word(value: object) -> str:
    """A value inside a table's cell or between backquotes, where it cannot end either."""
    return str(value).replace("|", "\\|").replace("`", "'").replace("\n", " ")
