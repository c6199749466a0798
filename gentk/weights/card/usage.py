"""The commands that a stranger can copy: what the weights can be asked for, with an example of each."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from typing import Any

from ...distribution import NAME
from ..config import distributions
from .facts import Facts

TAKEN = frozenset((
    "--batch-size", "--compile", "--device", "--disable", "--draft", "--dtype", "--extra", "--guide", "--help", "--json", "--model",
    "--out", "--plugin", "--recipe", "--sampler", "--scale", "--seed", "--strict", "--trajectory", "--version", "--weights",
))  # fmt: skip
"""Options of `gentk sample` itself: a condition of that name is `--cond-NAME`. A test compares them with the command."""
FEW, MANY = 16, {"points": 2000}
ARGUMENTS = ("model", "n", "seed", "sampler", "cond", "batch_size", "rows", "autocast", "on_step")
TEXTS = ("the", "The", "a", "A", "1")
FORMATS = {"image": ".png", "points": ".csv", "series": ".csv", "table": ".csv", "text": ".txt"}  # what a file of each is read from
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", re.ASCII)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,40}", re.ASCII)
_REPO = re.compile(r"[\w./@-]{1,250}", re.ASCII)


def commands(facts: Facts) -> str:
    """For a shell. Nothing of it is a stranger's text that a shell would read otherwise."""
    named = [name for name in distributions(facts.config) if _DISTRIBUTION.fullmatch(name)]
    lines = [f"pip install {' '.join(dict.fromkeys([NAME, *named]))}", first_command(facts)]
    given = examples(facts) if facts.drawable else {}
    if any(not facts.conditions[name].required for name in given):
        lines.append(_draw(facts, given))
    return "\n".join(lines)


def first_command(facts: Facts) -> str:
    """What to try first: samples, asked for no more than must be."""
    if not facts.drawable:
        return f"gentk inspect {repo(facts)}"
    return _draw(facts, {name: value for name, value in examples(facts).items() if facts.conditions[name].required})


def _draw(facts: Facts, given: Mapping[str, Any]) -> str:
    number = f" -n {many(facts)}" if many(facts) != FEW else ""
    return f"gentk sample --weights {repo(facts)}{number}{_flags(given)}"


def python(facts: Facts) -> str:
    """The same in Python."""
    lines = ["import gentk", "", f'model = gentk.load("{repo(facts)}")']
    if facts.drawable:
        lines.append(f'gentk.sample(model, {many(facts)}, seed=0{_arguments(examples(facts))}).save("samples{suffix(facts)}")')
    return "\n".join(lines)


def repo(facts: Facts) -> str:
    """The weights' name where nothing in it means something to a shell; a folder's may be anything."""
    return facts.repo if _REPO.fullmatch(facts.repo) else "USER/REPO"


def many(facts: Facts) -> int:
    """How many examples make a picture."""
    return MANY.get(facts.spec.modality, FEW)


def suffix(facts: Facts) -> str:
    """What samples are best saved as."""
    from ...host.lookup import modality

    return str(modality(facts.spec.modality).default_suffix)


def examples(facts: Facts) -> dict[str, Any]:
    """A value for each condition that one can be written down for."""
    found = {name: _example(name, condition) for name, condition in facts.conditions.items()}
    return {name: value for name, value in found.items() if value is not None}


def _example(name: str, condition: Any) -> Any:
    if condition.kind == "label":
        index = min(3, condition.classes - 1)
        called = condition.names[index] if condition.names else ""
        return called if _WORD.fullmatch(called) else index
    if condition.kind == "number":
        ends = [end for end in (condition.low, condition.high) if end is not None]
        return sum(ends) / len(ends) if ends else 1
    if condition.kind == "file":
        return name + FORMATS.get(condition.modality, ".npz")
    known = [token for token in condition.names if _WORD.fullmatch(token)]
    return next((text for text in (*TEXTS, *known) if condition.names and _fits(condition, text)), None)


def _fits(condition: Any, text: str) -> bool:
    try:
        condition.parse(text)
    except ValueError:
        return False
    return True


def _flags(given: Mapping[str, Any]) -> str:
    return "".join(f" {_flag(name)} {_shown(value)}" for name, value in given.items())


def _flag(name: str) -> str:
    flag = "--" + name.replace("_", "-")
    return f"--cond-{flag[2:]}" if flag in TAKEN else flag


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _arguments(given: Mapping[str, Any]) -> str:
    values = {name: f'"{value}"' if isinstance(value, str) else _shown(value) for name, value in given.items()}
    if all(name.isidentifier() and not keyword.iskeyword(name) and name not in ARGUMENTS for name in values):
        return "".join(f", {name}={value}" for name, value in values.items())
    listed = ", ".join(f'"{name}": {value}' for name, value in values.items())
    return f", cond={{{listed}}}"
