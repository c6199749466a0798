"""What completion offers, and the options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer
from typer import Option

from ..host import lookup
from .subject import DEFAULT


def recipes(ctx: typer.Context) -> list[str]:
    return list(lookup.specs("recipes", ctx.params.get("plugin") or DEFAULT))


def models(ctx: typer.Context) -> list[str]:
    return list(lookup.specs("models", ctx.params.get("plugin") or DEFAULT))


def samplers(ctx: typer.Context) -> list[str]:
    return list(lookup.specs("samplers"))


def schedules() -> list[str]:
    return list(lookup.specs("schedules"))


def plugins() -> list[str]:
    return lookup.host().names()


def datasets() -> list[str]:
    return list(lookup.specs("datasets"))


Plugin = Annotated[
    str | None,
    Option("--plugin", "-p", metavar="NAME", help="Which plugin. \\[default: ddpm]", autocompletion=lambda: lookup.host().names()),
]
Recipe = Annotated[
    str | None, Option("--recipe", "-r", metavar="NAME", help="Which of its recipes. \\[default: its first]", autocompletion=recipes)
]
Weights = Annotated[
    str | None, Option("--weights", "-w", metavar="WEIGHTS", help="A folder or run, PLUGIN/RECIPE, or USER/REPO of the Hub.")
]
Model = Annotated[str | None, Option("--model", "-m", metavar="NAME", help="The first recipe of this model.", autocompletion=models)]
Sampler = Annotated[
    str | None, Option("--sampler", "-s", metavar="NAME", help="How to draw. \\[default: the weights' own]", autocompletion=samplers)
]
Device = Annotated[str, Option(metavar="NAME", help="auto, cpu, cuda, mps.")]
