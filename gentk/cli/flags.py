"""Flags that depend on the arguments: `--label` from the weights, `--eta` from the sampler.

A flag is a parameter of a function signature, because that is what Typer turns into options. `extend` adds flags to a
command function's signature; Typer then does parsing, help, completion and did-you-mean as for any other option.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand

from ..errors import did_you_mean
from ..text import one_line, plain

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from ..protocols import Condition


@dataclass(frozen=True)
class Flag:
    key: str  # what the function is told
    name: str  # what is typed: --label
    annotation: Any
    option: Any  # typer.Option(...)

    def parameter(self, name: str) -> inspect.Parameter:
        annotation: Any = self.annotation
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[annotation | None, self.option])


def condition_flag(key: str, condition: Condition, panel: str, taken: Collection[str] = ()) -> Flag:
    """`--label`, or `--cond-label` where the command has a `--label` of its own."""
    name = _name(key) if _name(key) not in taken else _name(f"cond-{key}")

    def parse(text: str) -> Any:
        try:
            return condition.parse(text)
        except ValueError as error:
            raise typer.BadParameter(one_line(error)) from error

    complete = [name for name in getattr(condition, "names", ()) if name == one_line(name)] or None
    return Flag(key, name, str, typer.Option(
        name, metavar=plain(condition.metavar, 60), help=plain(condition.help, 1000), rich_help_panel=panel, callback=None,
        parser=parse, autocompletion=(lambda: complete) if complete else None,
    ))  # fmt: skip


def option_flag(key: str, field: FieldInfo, default: Any, panel: str) -> Flag | None:
    """A field that a command line can carry in one word becomes a flag; any other stays reachable by `-o`."""
    from pydantic import TypeAdapter, ValidationError

    kind: Any = field.annotation
    if type(None) in (options := get_args(kind)) and len(options) == 2:  # "a number or nothing": not given is nothing
        kind = next(k for k in options if k is not type(None))
    limits = list(field.metadata)
    if get_origin(kind) is Annotated:
        limits += [limit for m in kind.__metadata__ for limit in getattr(m, "metadata", [m])]
        kind = kind.__origin__
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if kind not in (int, float, str, bool) and kind != tuple[str, ...] and not choices:
        return None
    told = f"\\[default: {plain(default)}]" if default not in (None, ()) else ""
    help = " ".join(filter(None, [plain(field.description or "", 1000), told]))
    if kind is bool:
        both = f"{_name(key)}/--no-{_name(key)[2:]}"
        return Flag(key, _name(key), bool, typer.Option(both, help=help, rich_help_panel=panel, show_default=False))
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[kind, *limits] if limits else kind)

    def parse(text: Any) -> Any:
        try:
            return adapter.validate_python(text)
        except ValidationError as error:
            raise typer.BadParameter(complaint(error.errors()[0], choices)) from error

    return Flag(key, _name(key), str, typer.Option(
        _name(key), metavar=_metavar(kind, choices, limits), help=help, rich_help_panel=panel, parser=parse,
        autocompletion=(lambda: list(choices)) if choices else None,
    ))  # fmt: skip


def complaint(error: Any, choices: Iterable[str] = ()) -> str:
    """One of pydantic's errors as a clause, with the value and a suggestion."""
    text = error["msg"].removeprefix("Input ").removeprefix("Value error, ").split(", unable to")[0]
    return f"{text}, got {one_line(repr(error['input']), 80)}" + (did_you_mean(str(error["input"]), choices) if choices else "")


def _metavar(kind: Any, choices: tuple[Any, ...], limits: list[Any]) -> str:
    if choices:
        text = "|".join(map(str, choices))
        return text if len(text) <= 24 else "CHOICE"
    low = next((v for m in limits for a in ("ge", "gt") if (v := getattr(m, a, None)) is not None), None)
    high = next((v for m in limits for a in ("le", "lt") if (v := getattr(m, a, None)) is not None), None)
    if low is None and high is None:
        return "TEXT" if kind == tuple[str, ...] else str(kind.__name__).upper()
    return f"{'' if low is None else low}..{'' if high is None else high}"


def option_flags(options: type[BaseModel], defaults: dict[str, Any], panel: str) -> list[Flag]:
    flags = (option_flag(k, f, defaults.get(k, f.default), panel) for k, f in options.model_fields.items())
    return [flag for flag in flags if flag]


def extend(function: Callable[..., Any], flags: Iterable[Flag]) -> Callable[..., Any]:
    """`function(..., extra)` with each flag as a parameter of its own; those given arrive together in `extra`.

    Of two flags of one name the first is kept, and a plugin cannot redefine --seed: `-o seed=…` reaches a sampler's.
    """
    signature = inspect.signature(function, eval_str=True)
    static = [p for p in signature.parameters.values() if p.name != "extra"]
    taken = own_names(function)
    named: dict[str, Flag] = {}  # by a parameter name of ours: a condition may be called `class`, or `my-label`
    for flag in flags:
        if flag.name not in taken:
            taken.add(flag.name)
            named[f"extra_{len(named)}"] = flag

    def call(**values: Any) -> Any:
        extra = {f.key: value for name, f in named.items() if (value := values.pop(name, None)) is not None}
        return function(**values, extra=extra)

    call.__name__, call.__doc__ = function.__name__, function.__doc__
    call.__signature__ = signature.replace(parameters=[*static, *(f.parameter(name) for name, f in named.items())])  # type: ignore[attr-defined]
    return call


def own_names(function: Callable[..., Any]) -> set[str]:
    """The long names that the function's own options and the global ones take."""
    names = {"--help", "--json", "--strict", "--disable", "--version"}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        option = next(iter(getattr(parameter.annotation, "__metadata__", ())), None)
        # In Annotated, Typer keeps the first name in `default`.
        words = (getattr(option, "default", None), *(getattr(option, "param_decls", None) or ()))
        names |= {w for w in words if isinstance(w, str) and w.startswith("-")} or {_name(parameter.name)}
    return names


class _Command(TyperCommand):
    """A command that knows whose flags it carries, to say so when one is missing."""

    about = ""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            wrong = getattr(error, "option_name", None)
            if self.about and wrong and not hasattr(error, "param") and error.message.startswith("No such"):
                known = [o for p in self.params for o in p.opts if o.startswith("--")]
                error.message = f"{self.about} has no option {wrong}{did_you_mean(wrong, known) or ''}"
                error.possibilities = None  # type: ignore[attr-defined]
            raise


def command(function: Callable[..., Any], flags: Iterable[Flag] = (), about: str = "", **settings: Any) -> Any:
    """The Typer command for a function and its extra flags."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(cls=type("_Command", (_Command,), {"about": about}), context_settings={"help_option_names": ["-h", "--help"], **settings})(
        extend(function, flags)
    )
    return typer.main.get_command(app)


def selectors(function: Callable[..., Any], args: list[str]) -> dict[str, Any]:
    """What the static options say, whatever else stands on the line. Never fails: errors are the second parse's."""
    lenient = command(function, ignore_unknown_options=True, allow_extra_args=True)
    lenient.params = [p for p in lenient.params if not p.is_eager]
    with lenient.make_context(None, [a for a in args if a not in ("--help", "-h")], resilient_parsing=True) as ctx:
        return dict(ctx.params)


def _name(key: str) -> str:
    return "--" + key.replace("_", "-")
