"""The comparison of families as a table: what each column is made of, and what nobody measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..evaluation.families import Kin, common
from ..protocols import Score
from ..weights.card.markdown import plain, table
from . import numbers

HEAD = ("weights", "training stability", "quality", "diversity", "speed", "likelihood", "control")
NONE = "–"
Scores = Mapping[str, Score]
READING = (
    "Quality: the Fréchet distance and, in brackets, its floor; precision. Diversity: recall and coverage. Speed: seconds a sample. "
    "Likelihood: of held-out examples, exact, a bound or an estimate. Control: the share of samples of the class that was asked for. "
    "Training stability: how much of its gain a training lost again at worst, by its log, where that is shipped. –: not measured, or the "
    "family has none. n: the samples behind the distances, which only compare at equal n."
)


def rows(them: Sequence[Kin]) -> list[tuple[str, ...]]:
    """A row for each of which something is known, at one n where all share one."""
    n = common(them)
    found: list[tuple[str, ...]] = []
    for one in them:
        scores = one.scores(n)
        speed = numbers.duration(one.seconds) or NONE
        row = (stability(one), quality(scores), diversity(scores), speed, likelihood(scores), control(scores))
        if set(row) != {NONE}:
            found.append((one.name, *row))
    return found


def stability(one: Kin) -> str:
    return NONE if one.stability is None else f"lost {one.stability:.0%}"


def quality(scores: Scores) -> str:
    distance, sure = scores.get("frechet"), scores.get("precision")
    if distance is None:
        return NONE
    floor = f" ({numbers.value(distance.floor)})" if distance.floor is not None else ""
    count = f", n = {distance.examples:,}" if distance.examples else ""
    return f"{said(distance)}{floor}" + (f", precision {said(sure)}" if sure else "") + count


def diversity(scores: Scores) -> str:
    found = [f"{name} {said(score)}" for name in ("recall", "coverage") if (score := scores.get(name))]
    return ", ".join(found) or NONE


def likelihood(scores: Scores) -> str:
    found = scores.get("nll")
    if found is None:
        return NONE
    bits = scores.get("bits-per-dim")
    return f"{found.kind}, {'≤ ' if found.kind == 'bound' else ''}" + (f"{said(bits)} bits per number" if bits else f"{said(found)} nats")


def control(scores: Scores) -> str:
    found = scores.get("obedience")
    return f"class obeyed {found.value:.1%}" if found else NONE


def said(score: Score) -> str:
    return numbers.value(score.value, score.error)


def markdown(found: dict[str, list[Kin]]) -> str:
    """A section for each data set."""
    parts = ["# Families", READING]
    for dataset, them in found.items():
        parts += [f"## On {plain(dataset, 60)}", table(HEAD, [[plain(cell, 200) for cell in row] for row in rows(them)])]
    return "\n\n".join(parts) + "\n"
