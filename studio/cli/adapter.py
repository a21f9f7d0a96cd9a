"""``studio adapter``: its commands, a file each."""

from __future__ import annotations

import typer

from studio.cli import adapter_inspect, adapter_share, adapter_verify

app = typer.Typer(name="adapter", help="Look into adapter files.", no_args_is_help=True)

app.command()(adapter_inspect.inspect)
app.command()(adapter_verify.verify)
app.command()(adapter_share.share)
