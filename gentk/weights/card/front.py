"""The table at the head of a card, in YAML: what the Hub files the weights under."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]

from ...errors import GentkError
from ..files import DEPTH

MAX_HEAD = 100_000  # characters
NODES = 5_000  # names, values, lists and tables of a head
_BLOCK = re.compile(r"\A\ufeff?\s*---[ \t]*\r?\n((?:.*?\r?\n)??)---[ \t]*(?:\r?\n|\Z)", re.S)
_BOOL, _INT, _DATE, _MERGE = (f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "timestamp", "merge"))


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Words as YAML 1.2 and the Hub read them: `language: no` is Norwegian, and a date is its text. What makes a small head
    grow is refused: aliases, merge keys, more than DEPTH levels, more than NODES names and values."""

    depth = nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.nodes += 1
        if self.nodes > NODES:
            raise yaml.composer.ComposerError(None, None, f"more than {NODES} names and values", self.peek_event().start_mark)
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "an alias", self.peek_event().start_mark)
        if self.depth >= DEPTH:
            raise yaml.composer.ComposerError(None, None, "nested too deeply", self.peek_event().start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def flatten_mapping(self, node: Any) -> None:
        for key, _ in node.value:
            if key.tag == _MERGE:
                raise yaml.constructor.ConstructorError(None, None, "a merge key", key.start_mark)


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes nothing that the loader refuses."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] not in (_BOOL, _INT, _DATE)]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(_INT, re.compile("[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))


def split(text: str) -> tuple[str, str]:
    """A card as its head, `---` lines included, and its body."""
    found = _BLOCK.match(text)
    return (found[0], text[found.end() :]) if found else ("", text)


def read(head: str) -> dict[str, Any]:
    """What the head says. Raises GentkError where it says nothing that the Hub could read."""
    if len(head) > MAX_HEAD:
        raise GentkError(f"README.md: its head has {len(head) / 1e3:.0f} kB; at most {MAX_HEAD / 1e3:g} kB are read: shorten it")
    found = _BLOCK.match(head)
    try:
        about = yaml.load(found[1], Loader=_Loader) if found else None
        said = about if about is not None else {}
        if not isinstance(said, dict) or not all(isinstance(key, str) for key in said):
            raise GentkError("README.md begins with a table that has no names: repair what stands between its two lines of ---")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        where = f", line {place.line + 2}" if place else ""
        why = " ".join(str(getattr(error, "problem", "") or type(error).__name__).split())
        raise GentkError(f"README.md{where}: the table at its head is no YAML ({why[:120]}): repair it") from None
    return said


def renewed(head: str, ours: Mapping[str, Any], *, license: str = "") -> tuple[str, dict[str, Any]]:
    """The head with our keys in it, and what it says. A person's keys win, but for those that say what the folder is.

    A head to which nothing is new stays as it was written.
    """
    theirs = read(head)
    about = {**theirs, **{key: value for key, value in ours.items() if key not in theirs}}
    about |= {key: ours[key] for key in ("library_name", "model-index") if key in ours}
    about["tags"] = list(dict.fromkeys([*_texts(theirs.get("tags")), *ours["tags"]]))
    about["widget"] = _gallery(theirs.get("widget"), ours.get("widget", []))
    if not about["widget"]:
        del about["widget"]
    about |= {"license": license} if license else {}
    if head and about == theirs:
        return head, about
    return joined(about), about


def joined(about: Mapping[str, Any]) -> str:
    """The head that says this."""
    return f"---\n{yaml.dump(dict(about), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)}---\n"


def _texts(value: Any) -> list[str]:
    every = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    return [str(item) for item in every if isinstance(item, (str, int, float))]


def _gallery(theirs: Any, ours: list[Any]) -> Any:
    """Their pictures and the preview; the preview of another format, which is no longer there, goes."""
    if not isinstance(theirs, list):
        return theirs or ours
    here = [_url(entry) for entry in ours]
    kept = [entry for entry in theirs if not _url(entry).startswith("samples/preview.") or _url(entry) in here]
    return [*(entry for entry in ours if _url(entry) not in map(_url, kept)), *kept]


def _url(entry: Any) -> str:
    output = entry.get("output") if isinstance(entry, dict) else None
    return str(output.get("url", "")) if isinstance(output, dict) else ""
