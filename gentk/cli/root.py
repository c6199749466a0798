"""The root command: a table of names. A command's module is imported when the command runs or shows its own help."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from .. import distribution
from ..host.entries import distribution_name, entries
from ..text import plain
from .globals import settings

_WORD = re.compile(r"[\w][\w.-]{0,60}")
COMMANDS = {  # name: (module, help, panel)
    "sample": ("gentk.cli.commands.sample", "Draw samples from a model.", "Make"),
    "train": ("gentk.cli.commands.train", "Train a recipe.", "Make"),
    "plot": ("gentk.cli.commands.plot", "Draw a picture of data or of a run.", "Look"),
    "interpolate": ("gentk.cli.commands.interpolate", "Go from one sample to another.", "Make"),
    "encode": ("gentk.cli.commands.encode", "Find what examples would be made from.", "Make"),
    "impute": ("gentk.cli.commands.impute", "Fill in what is missing of examples.", "Make"),
    "reconstruct": ("gentk.cli.commands.reconstruct", "Take examples through the latents and back.", "Look"),
    "classify": ("gentk.cli.commands.classify", "Say which class examples are of.", "Look"),
    "likelihood": ("gentk.cli.commands.likelihood", "Say how likely a model finds examples.", "Look"),
    "evaluate": ("gentk.cli.commands.evaluate", "Measure how good a model is, or samples.", "Look"),
    "compare": ("gentk.cli.commands.compare", "Measure several models side by side.", "Look"),
    "inspect": ("gentk.cli.commands.inspect", "Say what a folder of weights holds.", "Look"),
    "push": ("gentk.cli.commands.push", "Publish weights on the Hub.", "Share"),
    "pull": ("gentk.cli.commands.pull", "Fetch weights from the Hub into a folder.", "Share"),
    "search": ("gentk.cli.commands.search", "Search the Hub for weights.", "Share"),
    "import": ("gentk.cli.commands.importing", "Take over another program's checkpoint.", "Share"),
    "export": ("gentk.cli.commands.importing", "Write weights in another program's format.", "Share"),
    "plugins": ("gentk.cli.commands.plugins", "List plugins; write, check and install them.", "List"),
    "models": ("gentk.cli.commands.listings", "List the models of all plugins.", "List"),
    "recipes": ("gentk.cli.commands.listings", "List recipes.", "List"),
    "datasets": ("gentk.cli.commands.listings", "List data sets.", "List"),
    "samplers": ("gentk.cli.commands.listings", "List samplers.", "List"),
    "schedules": ("gentk.cli.commands.listings", "List noise schedules.", "List"),
    "metrics": ("gentk.cli.commands.listings", "List metrics.", "List"),
    "featurizers": ("gentk.cli.commands.listings", "List what distances are measured in.", "List"),
}


class Lazy(TyperCommand):
    """A name with its help; the command itself is built from `source` when it is needed."""

    def __init__(self, name: str, source: str | EntryPoint, **about: Any) -> None:
        super().__init__(name, **about)
        self.source = source

    def build(self, args: list[str], resilient: bool) -> Any:
        if isinstance(self.source, EntryPoint):
            return typer.main.get_command(_load(self.source))
        module = import_module(self.source)
        if hasattr(module, "command"):  # a command whose flags depend on its arguments
            return module.command(args, resilient)
        return typer.main.get_command(getattr(module, f"{self.name}_app", None) or module.app)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        real = self.build(args, extra.get("resilient_parsing", False))
        return real.make_context(info_name, args, parent=parent, **extra)


def _load(ep: EntryPoint) -> typer.Typer:
    from ..errors import GentkError
    from ..host.entries import damage
    from ..text import cause

    if said := damage(ep):
        raise GentkError(f"command '{ep.name}' cannot be loaded: the metadata of {distribution_name(ep.dist)} is damaged ({said})")
    try:
        app: typer.Typer = ep.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise GentkError(f"command '{ep.name}' of {ep.dist.name} {ep.dist.version} cannot be loaded: {cause(error)}") from error  # type: ignore[union-attr]
    return app


def root() -> TyperGroup:
    app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]})
    app.callback()(_globals)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for name, (module, text, panel) in COMMANDS.items():
        group.add_command(Lazy(name, module, help=text, rich_help_panel=panel))
    for ep in entries("gentk.commands"):
        if ep.name not in COMMANDS and _WORD.fullmatch(ep.name):  # a stranger may add a command, never replace one
            group.add_command(Lazy(ep.name, ep, help=_summary(ep), rich_help_panel="From plugins"))
    return group


def _summary(ep: EntryPoint) -> str:
    dist: Any = ep.dist
    try:
        said = dist.metadata["Summary"] or ""
    except Exception:  # damaged metadata
        said = ""
    return plain(f"{said} ({distribution_name(dist)})")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"gentk {distribution.version()}")
        raise typer.Exit()


def _globals(
    json: Annotated[bool, typer.Option("--json", help="One JSON value on stdout; everything else on stderr.")] = False,
    disable: Annotated[
        list[str],
        typer.Option(
            "-x", "--disable", metavar="NAME", help="Block a plugin before it is imported.", autocompletion=lambda: _plugin_names()
        ),
    ] = [],
    strict: Annotated[bool, typer.Option("--strict", help="A broken plugin is an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Train, sample, measure and share any generative model.

    The options below may stand anywhere on the line.
    """
    from ..host import lookup

    settings.strict = strict
    settings.disabled |= set(disable)
    lookup.configure(disabled=settings.disabled, strict=settings.strict)


def _plugin_names() -> list[str]:
    return sorted({ep.name for ep in entries("gentk")})
