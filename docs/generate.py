"""Writes the pages that are made from the code: `uv run python docs/generate.py`. A test fails where one is stale."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args

HERE = Path(__file__).parent
MADE = "<!-- made by docs/generate.py -->"


CLI = """\
Options that may stand anywhere on a line: {anywhere}. What a command prints is one JSON value with `--json`, errors too. Exit codes: 0
done, 1 failed, 2 wrong usage, 130 and 143 stopped by a signal after saving.

Marked with *: the weights and the sampler on the line bring flags of their own (`--label`, `--steps` …); `--help` behind them shows
these."""

HOOKS = """\
What a plugin may offer. Its module (the one that the entry point names) implements any of these with `@hookimpl`, and each returns or
yields specs. A spec names code by a string, `"package.module:attribute"`, which is imported when it is needed and not before: the
module itself must import neither torch nor numpy. The examples are those of the hooks' docstrings, and a test runs each of them."""

COMMANDS_OF_PLUGINS = """\
## Commands

A command of a plugin is no hook but an entry point of the group `gentk.commands`, so that `gentk --help` knows its name without an
import. It names a `typer.Typer`; the distribution's summary is its line of help. A built-in command is never replaced.

```toml
[project.entry-points."gentk.commands"]
tidetable = "gentk_tides.tidetable:app"
```"""

CHECKS = """\
What `gentk plugins check NAME`, `pytest --gentk NAME` and `gentk.testing.parametrize` check: one list, one record per check and
subject. A check that does not apply is skipped and says why. An excuse is the hook `gentk_expected_failures`, with a reason; one that
is no longer needed is a failure."""


# ---------------------------------------------------------------- cli.md
def cli() -> str:
    """Every command, its arguments and its own options."""
    from gentk.cli.root import COMMANDS, root

    panels: dict[str, list[str]] = {}
    for name, (_, _, panel) in COMMANDS.items():
        panels.setdefault(panel, []).append(name)
    anywhere = ", ".join(f"`{'`, `'.join(p.opts)}`" for p in root().params if "--help" not in p.opts)
    lines = ["# Commands", MADE, CLI.format(anywhere=anywhere)]
    for panel, names in panels.items():
        lines.append(f"## {panel}")
        for name in names:
            lines += section(name)
    return "\n\n".join(lines) + "\n"


def section(name: str) -> Iterator[str]:
    """A command, or a group's commands one after the other."""
    command, changing = static(name)
    if not hasattr(command, "commands"):
        yield from described(f"gentk {name}", command, changing)
        return
    yield f"### gentk {name}"
    yield plain(command.help or "")
    for word, inner in command.commands.items():
        yield from described(f"gentk {name} {word}", inner, False, depth=4)


def static(name: str) -> tuple[Any, bool]:
    """The command without the flags of any weights, and whether weights bring some."""
    import typer

    from gentk.cli.flags import command
    from gentk.cli.root import COMMANDS

    module = import_module(COMMANDS[name][0])
    if hasattr(module, "command"):
        return command(getattr(module, name)), True
    return typer.main.get_command(getattr(module, f"{name}_app", None) or module.app), False


def described(title: str, command: Any, changing: bool, depth: int = 3) -> Iterator[str]:
    """Usage, text and a table of one command."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = " ".join([title, *(a.metavar or a.name.upper() for a in arguments), "[OPTIONS]"])
    yield f"{'#' * depth} {title}{' *' if changing else ''}"
    yield f"`{words}`"
    yield plain(command.help or "")
    rows = [(f"`{a.metavar or a.name.upper()}`", a.help or "") for a in arguments]
    rows += [(names(p), help_of(p)) for p in command.params if p.param_type_name == "option" and "--help" not in p.opts and not p.hidden]
    if rows:
        yield "\n".join(["| | |", "|---|---|", *(f"| {cell(a)} | {cell(plain(b))} |" for a, b in rows)])


def names(option: Any) -> str:
    annotation = option.type_descriptor.annotation
    choices = [str(c) for c in get_args(annotation) if isinstance(c, str)]
    kind = "|".join(choices) if choices else str(getattr(annotation, "__name__", "VALUE")).upper()
    value = "" if option.is_flag else f" {option.metavar or kind}"
    return ", ".join(f"`{o}{value}`" for o in [*option.opts, *option.secondary_opts])


def help_of(option: Any) -> str:
    shown = option.default not in (None, "", False) and not callable(option.default) and not isinstance(option.default, list | tuple)
    return (option.help or "") + (f" [default: {option.default}]" if shown and "[default" not in (option.help or "") else "")


def plain(text: str) -> str:
    """Help text without the escapes of its markup, a paragraph a line."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text.replace("\\[", "[")))
    return "\n\n".join(" ".join(p.split()) for p in paragraphs)


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# ---------------------------------------------------------------- hooks.md
def hooks() -> str:
    """Every hook with its worked example, and what its spec says."""
    from gentk.host import hookspecs

    lines = ["# Hooks", MADE, HOOKS]
    for name, spec in hookspecs.PRODUCES.items():
        about, _, example = inspect.getdoc(getattr(hookspecs, name)).partition("Example::")  # type: ignore[union-attr]
        lines += [f"## {name}", " ".join(about.split()), f"```python\n{dedent(example).strip()}\n```", f"`{signature(spec)}`"]
        lines.append(" ".join((inspect.getdoc(spec) or "").split()))
    return "\n\n".join([*lines, COMMANDS_OF_PLUGINS]) + "\n"


def signature(spec: Any) -> str:
    parameters = inspect.signature(spec).parameters.values()
    return f"{spec.__name__}({', '.join(p.name if p.default is p.empty else f'{p.name}={p.default!r}' for p in parameters)})"


# ---------------------------------------------------------------- checks.md
def checks() -> str:
    """What the conformance kit checks, by the docstrings of its checks."""
    from gentk.testing.registry import checks as known

    lines = ["# Checks", MADE, CHECKS]
    found = list(known().values())
    for scope in dict.fromkeys(check.scope for check in found):
        lines.append(f"## {scope.capitalize()}")
        rows = [f"| `{c.id}` | {cell(plain(c.about))} |" for c in found if c.scope == scope]
        lines.append("\n".join(["| check | what it promises |", "|---|---|", *rows]))
    return "\n\n".join(lines) + "\n"


# ---------------------------------------------------------------- signatures.md
def signatures() -> str:
    """What api.md names, with its arguments and the first sentence of its docstring."""
    lines = ["# Signatures", MADE, "The names that [api.md](api.md) calls public, how each is called, and what it is for."]
    for module, names in re.findall(r"^\| `(gentk[\w.]*)` \| (.*) \|$", (HERE / "api.md").read_text("utf-8"), flags=re.M):
        there = import_module(module)
        own = [name for name, value in vars(there).items() if getattr(value, "__module__", "") == module and not name.startswith("_")]
        listed = re.findall(r"`(\w+)`", names) or own
        lines += [f"## {module}", "\n".join(f"- {called(name, getattr(there, name))}" for name in listed)]
    return "\n\n".join(lines) + "\n"


def called(name: str, value: Any) -> str:
    """A name with its arguments, and what its docstring says first."""
    try:
        text = str(inspect.signature(value)) if callable(value) else ""
    except (TypeError, ValueError):
        text = ""
    text = re.sub(r" at 0x[0-9a-f]+", "", text).replace("typing.", "").replace("collections.abc.", "")
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)
    about = (inspect.getdoc(value) or "") if callable(value) else ""
    first = " ".join(about.split("\n\n")[0].split())
    if first.startswith("!!! abstract") or "Protocol" in str(getattr(value, "__bases__", "")):
        text = ""
    return f"`{name}{text}`" + (f": {first}" if first and not first.startswith("!!!") else "")


PAGES = {"cli.md": cli, "hooks.md": hooks, "checks.md": checks, "signatures.md": signatures}


if __name__ == "__main__":
    for page, make in PAGES.items():
        (HERE / page).write_text(make(), "utf-8")
        print(page)
