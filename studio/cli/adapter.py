"""``studio adapter``: its commands, a file each."""

from __future__ import annotations

import typer

from studio.cli import adapter_inspect, adapter_share, adapter_tools, adapter_verify

app = typer.Typer(
    name="adapter",
    help="Look into adapter files, prove them, make others.",
    no_args_is_help=True,
)

app.command()(adapter_inspect.inspect)
app.command()(adapter_verify.verify)
app.command()(adapter_share.share)
app.command()(adapter_tools.convert)
app.command()(adapter_tools.merge)
app.command()(adapter_tools.resize)
app.command()(adapter_tools.extract)
