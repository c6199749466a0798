"""gentk train"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from ...errors import Interrupted, UsageError
from ...host import lookup
from ...runs import LOGGERS, check_loggers
from .. import choices
from ..out import out
from ..subject import DEFAULT, recipe_of
from ..view import view

FINAL = 10_000  # examples of the test split that the numbers at the end are taken over
Logger = Annotated[
    list[str],
    Option(
        metavar="|".join(LOGGERS),
        help="Where the log goes; may be repeated. jsonl, log.jsonl in the run's folder, is always written. \\[default: jsonl]",
        autocompletion=lambda: list(LOGGERS),
    ),
]
app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def train(
    plugin: choices.Plugin = None,
    model: choices.Model = None,
    recipe: Annotated[
        str | None, Option("--recipe", "-r", metavar="NAME|FILE", help="Which recipe, or a TOML file.", autocompletion=choices.recipes)
    ] = None,
    dataset: Annotated[
        str | None,
        Option(
            "--dataset",
            "-d",
            metavar="NAME",
            help="Another data set: gentk datasets.",
            autocompletion=choices.datasets,
        ),
    ] = None,
    split: Annotated[str | None, Option(metavar="NAME", help="Which part of it.")] = None,
    set_: Annotated[list[str], Option("--set", metavar="KEY.PATH=VALUE", help="Override a key of the recipe: training.lr=1e-3")] = [],
    init: Annotated[str | None, Option(metavar="WEIGHTS", help="Weights to start from.")] = None,
    out_: Annotated[Path | None, Option("--out", metavar="DIR", help="The run's folder. \\[default: a new one in runs/]")] = None,
    resume: Annotated[bool, Option("--resume", help="Go on with the run at --out.")] = False,
    max_steps: Annotated[int | None, Option(min=1, help="Stop early; the learning rates stay those of the whole run.")] = None,
    restart: Annotated[bool, Option("--restart", help="With --resume: begin at step 0 where no saved state can be read.")] = False,
    device: choices.Device = "auto",
    compile: Annotated[bool, Option("--compile", help="Compile the network's blocks first; pays for long runs.")] = False,
    logger: Logger = [],
    dry_run: Annotated[bool, Option("--dry-run", help="Check and print the resolved recipe; train nothing.")] = False,
) -> None:
    """Train a recipe. Ctrl-C saves first; --resume goes on exactly where it stopped."""
    if restart and not resume:
        raise UsageError("--restart goes with --resume: a new run begins at step 0 anyway")
    check_loggers(logger)  # before any data are fetched
    if resume:
        given = {"--plugin": plugin, "--model": model, "--recipe": recipe, "--dataset": dataset, "--split": split, "--init": init}
        folder, resolved = resuming(out_, set_, [flag for flag, value in given.items() if value])
    else:
        words = {"dataset.name": dataset, "dataset.split": split}
        name, resolved, own = starting(plugin, model, recipe, words, set_)
        folder = out_ or Path("runs") / name
    from ...weights.names import locate

    begin = locate(init).folder if init else None
    data = None
    if not resume and (not dry_run or other(model and recipe, recipe, given_keys(words, set_))):
        resolved, data = prepared(resolved, own, given_keys(words, set_))
    if dry_run:
        out.result(resolved.model_dump(mode="json"), lambda: resolved.model_dump_json(indent=2))
        return
    if not (resume or out_):
        from ...distributed import Ranks
        from ...training.claim import fresh

        folder = Ranks().agreed(lambda: fresh(folder))
    how = {"init": begin, "resume": resume, "restart": restart, "max_steps": max_steps, "device": device, "compile": compile}
    run(resolved, folder, **how, dataset=data, loggers=logger)


def starting(
    plugin: str | None, model: str | None, recipe: str | None, words: Mapping[str, str | None], changes: list[str]
) -> tuple[str, Any, str]:
    """(a name for the run, the resolved recipe, the data set that the recipe was written for)."""
    owner = plugin or DEFAULT
    another = bool(model and recipe)
    if model and not recipe:
        recipe = recipe_of(owner, model, shipped=False)
    assignments = [*(f"{key}={json.dumps(word, ensure_ascii=False)}" for key, word in words.items() if word), *changes]
    raw = lookup.recipe_tables(owner, recipe)
    if model and another:
        raw = of_model(raw, owner, model)
    resolved = lookup.checked(raw, assignments, lookup.recipe_place(owner, recipe).name)
    name = Path(recipe).stem if recipe else lookup.recipe_spec(owner, None).name
    return f"{resolved.model.plugin}-{model if another else name}", resolved, str(raw.get("dataset", {}).get("name", ""))


def of_model(raw: Mapping[str, Any], plugin: str, model: str) -> dict[str, Any]:
    """A recipe for another model: options that this one does not have give way, and so does the sampler where it needs something else."""
    part = {"plugin": plugin, **raw.get("model", {})}
    spec = lookup.model_spec(part["plugin"], model)
    if part.get("name", "") == model:
        return dict(raw)
    known = lookup.config_class(spec).model_fields
    config = part.get("config", {})
    if lost := [key for key in config if key not in known]:
        print(f"{part['plugin']}/{model} has no {', '.join(lost)}: left out of the recipe", file=sys.stderr)
    changed = {**part, "name": model, "config": {key: value for key, value in config.items() if key in known}}
    return {**{key: value for key, value in raw.items() if key != "sampler"}, "model": changed}


def given_keys(words: Mapping[str, str | None], changes: list[str]) -> set[str]:
    """The keys that this line sets: they never give way."""
    return {key for key, word in words.items() if word} | {text.partition("=")[0].strip() for text in changes}


def other(model: object, recipe: str | None, given: set[str]) -> bool:
    """Whether this line asks for more than a shipped recipe, which is known to train: then data and model must be looked at."""
    return bool(model) or (recipe or "").endswith(".toml") or any(key.split(".")[0] in ("dataset", "model", "sampler") for key in given)


def prepared(recipe: Any, own: str, given: set[str]) -> tuple[Any, Any]:
    """The recipe as these data allow it, and the data. Says what gave way."""
    from ...training.adapting import adapted

    return adapted(recipe, own=own, given=given)


def resuming(folder: Path | None, changes: list[str], given: list[str]) -> tuple[Path, Any]:
    """The run at `folder` with its own recipe. Only how long it trains may change: anything else would be another run."""
    from ...runs import Run

    if folder is None:
        raise UsageError("--resume needs --out: which run to go on with")
    if given:
        raise UsageError(f"--resume goes on with the run's own recipe: leave out {', '.join(given)}")
    if not Run(folder).exists:
        raise UsageError(f"{folder} holds no run to resume")
    return folder, lookup.recipe(DEFAULT, str(Run(folder).recipe), changes)


def run(recipe: Any, folder: Path, **how: Any) -> None:
    """Train under a live view, `how` as Training takes it. The first signal saves and stops; it is told how to go on."""
    from ...training import Training, stopping

    title = f"{recipe.model.plugin}/{recipe.model.name} on {recipe.dataset.name}"
    with stopping() as stop, Training(recipe, folder, **how) as training:
        if training.ranks.first:
            announce(training)
        with view(title, training.trainer.total, folder, since=training.trainer.step, silent=not training.ranks.first) as show:
            for progress in training:
                show(progress.step, progress.logs)
                if number := training.stopped(stop):
                    training.save()
                    where = f"stopped at step {progress.step} of {progress.total}, saved"
                    raise Interrupted(f"{where}; go on with: gentk train --resume --out {shlex.quote(str(folder))}", number)
        if training.ranks.first:
            closing(training, folder)


def announce(training: Any) -> None:
    """Say on stderr how this training computes, and what it will not keep."""
    how = training.facts
    threads = f"{how['threads']} thread{'s' if how['threads'] > 1 else ''}"
    print(f"computes in {how['precision']} on {how['device']}, {threads}", file=sys.stderr)
    if training.unwatched:
        kind = type(training.trainer.model).__name__
        print(f"no best/: {kind} has several phases and no `watch` that names the number to keep the best weights by", file=sys.stderr)


def closing(training: Any, folder: Path) -> None:
    """The result: what was reached, in how much memory, and how to look at it."""
    from rich.markup import escape

    from ...training.facts import peak_memory
    from ...weights.safety import read_config

    trainer = training.trainer
    found = trainer.validate(FINAL) if trainer.step == trainer.total or trainer.converged else trainer.validate()
    validation = {f"validation/{name}": value for name, value in found.items()}
    memory = peak_memory(trainer.device)
    used = {} if memory is None else {"peak_memory_mb": memory}
    data = {"run": str(folder), "steps": trainer.step, **trainer.last, **validation, **training.facts, **used}
    # What draws nothing by itself recommends no sampler.
    look = ("sample --weights " if read_config(folder).get("sampler") else "inspect ") + shlex.quote(str(folder))
    numbers = "  ".join(f"{name} {value:.4g}" for name, value in found.items())
    tested = f"\ntest split: {numbers}" if found else ""
    reached = f"{data['steps']} steps" + (" (no better for `patience` validations)" if training.stalled else "")
    peak = f", {memory:.0f} MB of memory at most" if memory is not None else ""
    out.result(data, lambda: escape(f"{folder}  after {reached}{peak}; look: gentk {look}{tested}"))
