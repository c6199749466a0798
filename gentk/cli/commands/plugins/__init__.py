"""gentk plugins: list, show, check, write, install. A module per command."""

from __future__ import annotations

import typer

from . import check, install, listing, new

app = typer.Typer(invoke_without_command=True, rich_markup_mode="rich", add_completion=False)
app.callback()(listing.plugins)
for _function in (
    listing.show, new.new, check.check, install.install, install.uninstall, install.freeze, install.restore, install.search,
):  # fmt: skip
    app.command()(_function)
