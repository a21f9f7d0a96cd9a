"""What ``studio curate`` can be asked for, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    str,
    typer.Argument(
        help="Pictures: a folder, .zip, .tar, .parquet, .arrow or hf:owner/name; or a recipe."
    ),
]
Base = Annotated[str, typer.Option(help="Base model to be trained.")]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write the report, one HTML page.")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="Folder for manifest.json and report.html."),
]
Keep = Annotated[
    list[str] | None,
    typer.Option("--keep", metavar="NAME", help="Keep this picture, whatever the checks say."),
]
Drop = Annotated[
    list[str] | None,
    typer.Option("--drop", metavar="NAME", help="Leave this picture out; both may be repeated."),
]
FixCaptions = Annotated[
    bool,
    typer.Option("--fix-captions", help="Write mended captions into a folder beside the pictures."),
]
AutoCaptions = Annotated[
    Path | None,
    typer.Option(
        "--auto-captions",
        metavar="MODEL",
        help="Caption pictures that have no text with the captioner in this folder.",
    ),
]
AllCaptions = Annotated[
    bool, typer.Option("--all-captions", help="With --auto-captions: those with a text too.")
]
CaptionsOut = Annotated[
    Path | None,
    typer.Option(
        "--captions-out",
        metavar="FOLDER",
        help="Where captions are written; by default <source>-captions.",
    ),
]
Export = Annotated[
    Path | None,
    typer.Option("--export", metavar="FOLDER", help="Copy kept pictures into an image folder."),
]
Review = Annotated[
    Path | None,
    typer.Option(
        "--review", metavar="FOLDER", help="Copy dropped pictures into a folder, sorted by reason."
    ),
]
