"""``studio trainers list|show``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from studio.cli.output import AsJson, result, table

app = typer.Typer(name="trainers", help="The installed training methods.", no_args_is_help=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the installed trainers."""
    from studio.registry import plugins

    found = [{"kind": p.kind, "summary": p.summary} for p in plugins().values()]
    result(found, table([[p["kind"], p["summary"]] for p in found]), as_json=as_json)


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help="The trainer, e.g. lora.")], as_json: AsJson = False
) -> None:
    """Show a trainer's settings: what goes below `trainer:` in a recipe."""
    from studio.registry import plugin

    found = plugin(kind)
    settings = settings_of(found.settings)
    lines = [found.summary, ""]
    for setting in settings:
        lines += [f"{setting['name']}: {json.dumps(setting['default'])}    ({setting['type']})"]
        lines += [f"    {setting['description']}"]
    content = {"kind": found.kind, "summary": found.summary, "settings": settings}
    result(content, lines, as_json=as_json)


def settings_of(section: Any) -> list[dict[str, Any]]:
    """Each field of a settings class: name, type, default and description, as JSON values."""
    properties = section.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "type": _type_of(schema),
            "default": schema.get("default"),
            "description": " ".join(schema.get("description", "").split()),
        }
        for name, schema in properties.items()
    ]


def _type_of(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type_of(s) for s in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    return "nothing" if schema.get("type") == "null" else str(schema.get("type", "section"))
