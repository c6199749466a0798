"""From the facts to the text: head and sections, put around what is there already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import edits, front
from .facts import Facts, gather
from .sections import INVITATION, PICTURES, sections

LIBRARY = "gentk"
TASKS = {  # the Hub's names; what it has none for is "other"
    "image": "unconditional-image-generation",
    "text": "text-generation",
    "series": "time-series-forecasting",
    "molecule": "graph-ml",
}
TASKS_OF_TEXT = {"image": "text-to-image", "video": "text-to-video"}


def card(folder: str | Path, config: Mapping[str, Any] | None = None, *, existing: str = "", repo: str = "", license: str = "") -> str:
    """README.md for the weights in `folder`, which are, or will be, called `repo`.

    `existing`: the card so far. What a person wrote or changed there stays, and what we wrote is brought up to date; writing it twice
    changes nothing. `license`: an identifier of the Hub. Raises GentkError, in one line, for a folder or a card that is not sound.
    """
    return written(gather(Path(folder), config, repo=repo), existing, license)


def written(facts: Facts, existing: str = "", license: str = "") -> str:
    """The same from facts. A card of gentk's from which a person took all our sections is theirs alone: its head is kept up to date."""
    before, body = front.split(existing)
    theirs = front.read(before)
    head, about = front.renewed(before, metadata(facts), license=license)
    alone = bool(body.strip()) and not edits.ours(body)
    if alone and theirs.get("library_name") == LIBRARY:
        return head + body
    said = sections(facts, about.get("license"))
    text = edits.merged(body, {name: words for name, words in said.items() if not (alone and name == "title")})
    if not body.strip():
        text = f"{text}\n{INVITATION}\n"
    return edits.sealed(head, text, body, said)


def metadata(facts: Facts) -> dict[str, Any]:
    """Our part of the head."""
    from huggingface_hub import EvalResult, ModelCardData

    task = task_of(facts)
    about: dict[str, Any] = {"library_name": LIBRARY, "pipeline_tag": task}
    about["tags"] = [LIBRARY, f"plugin:{facts.plugin}", facts.plugin, facts.model]
    if scores := facts.scores:
        measured: dict[str, Any] = {"dataset_type": scores.dataset or "unknown", "dataset_name": scores.dataset or "unknown"}
        measured |= {"dataset_split": scores.split} if scores.split else {}
        about["model_name"] = facts.repo.rpartition("/")[2]
        about["eval_results"] = [
            EvalResult(task, metric_type=row.name, metric_name=row.name, metric_value=float(f"{row.value:.6g}"), **measured)
            for row in scores.rows
        ]
    shown: dict[str, Any] = ModelCardData(**about).to_dict()  # type: ignore[no-untyped-call]
    if facts.preview and facts.preview.suffix in PICTURES:
        shown["widget"] = [{"text": "samples", "output": {"url": f"samples/{facts.preview.name}"}}]
    return shown


def task_of(facts: Facts) -> str:
    """The Hub's name of what the weights do."""
    modality = facts.spec.modality
    if not facts.drawable:
        return "other"
    if modality in TASKS_OF_TEXT and any(getattr(condition, "kind", "") == "text" for condition in facts.conditions.values()):
        return TASKS_OF_TEXT[modality]
    return TASKS.get(modality, "other")
