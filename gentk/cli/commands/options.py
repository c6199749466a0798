"""gentk models | datasets | samplers show NAME: what one of them can be told. No torch where its options need none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

from ...errors import UsageError, did_you_mean
from ...host import lookup, resolve
from ...text import one_line
from ..out import out

if TYPE_CHECKING:
    from pydantic import BaseModel

WHERE = {"models": "model.config", "datasets": "dataset.options", "samplers": "sampler.options"}


def show(kind: str, name: str) -> None:
    """One of a kind, its options with type, default and meaning. Raises UsageError for an unknown name."""
    owner, spec = found(kind, name)
    told = {lookup.one(kind): spec.name, "plugin": owner, "summary": spec.summary, "options": rows(options_of(kind, spec))}
    out.result(told, lambda: people(told, kind, spec))


def found(kind: str, name: str) -> tuple[str, Any]:
    """(its owner, the spec). A model's name is looked for in every plugin."""
    head = name.partition(":")[0]
    if kind != "models":
        owner, spec = lookup.find(kind, head)
        return owner or "gentk", spec
    plugin, slash, rest = head.rpartition("/")
    if slash:
        return plugin, lookup.model_spec(plugin, rest)
    known = [(plugin.name, spec) for plugin, spec in lookup.host().ask_all("gentk_models")]
    matching = [(plugin, spec) for plugin, spec in known if spec.name == head]
    if len(matching) > 1:
        raise UsageError(f"model '{head}' is offered by {' and '.join(p for p, _ in matching)}: say {matching[0][0]}/{head}")
    if not matching:
        raise UsageError(f"no model '{head}'{did_you_mean(head, [spec.name for _, spec in known])}")
    return matching[0]


def options_of(kind: str, spec: Any) -> type[BaseModel] | None:
    """The pydantic class of what it can be told."""
    if kind == "models":
        return lookup.config_class(spec)
    chosen: type[BaseModel] | None = resolve(spec.target) if kind == "samplers" else resolve(spec.options) if spec.options else None
    return chosen


def rows(kind: type[BaseModel] | None) -> list[dict[str, Any]]:
    """Each option: its name, type, default (none: it must be given) and meaning. Those of a table follow it, as `table.key`."""
    if kind is None:
        return []
    schema = kind.model_json_schema()
    shapes, needed = schema.get("properties", {}), set(schema.get("required", ()))
    told = []
    for key, field in kind.model_fields.items():
        row = {
            "name": key,
            "type": type_of(shapes.get(key, {}), schema.get("$defs", {})),
            "default": None if key in needed else shapes.get(key, {}).get("default"),
            "required": key in needed,
            "meaning": field.description or "",
        }
        told += [row, *({**inner, "name": f"{key}.{inner['name']}"} for inner in rows(table_of(field.annotation)))]
    return told


def table_of(annotation: Any) -> type[BaseModel] | None:
    """The pydantic class of a value that is a table of options."""
    from pydantic import BaseModel

    parts = (annotation, *get_args(annotation))
    return next((part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)), None)


def type_of(shape: Mapping[str, Any], named: Mapping[str, Any]) -> str:
    """What a JSON schema says of a value, in a few words: number 0 … 1, text, one of these."""
    if "$ref" in shape:
        return type_of(named.get(shape["$ref"].rpartition("/")[2], {}), named)
    if "enum" in shape or "const" in shape:
        return " | ".join(map(str, shape.get("enum", [shape.get("const")])))
    if "anyOf" in shape:
        return " or ".join(dict.fromkeys(type_of(part, named) for part in shape["anyOf"]))
    words = {"integer": "whole number", "string": "text", "boolean": "true or false", "array": "list", "object": "table", "null": "nothing"}
    kind = words.get(str(shape.get("type")), str(shape.get("type", "any")))
    low = shape.get("minimum", shape.get("exclusiveMinimum"))
    high = shape.get("maximum", shape.get("exclusiveMaximum"))
    above, below = ("above " if "exclusiveMinimum" in shape else "from "), ("below " if "exclusiveMaximum" in shape else "to ")
    return kind + (f" {above}{low:g}" if low is not None else "") + (f" {below}{high:g}" if high is not None else "")


def people(told: Mapping[str, Any], kind: str, spec: Any) -> Any:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = Text(one_line(f"{told['plugin']}/{spec.name}: {spec.summary}", 200))
    if not told["options"]:
        return Group(head, Text("it has no options"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("option", "type", "default", "meaning"):
        table.add_column(column, overflow="fold", no_wrap=column == "option", style="bold" if column == "option" else "")
    for row in told["options"]:
        default = "must be given" if row["required"] else "" if row["default"] is None else json.dumps(row["default"], ensure_ascii=False)
        table.add_row(*(Text(one_line(value, 400)) for value in (row["name"], row["type"], default, row["meaning"])))
    where = f"--set {WHERE[kind]}.{told['options'][0]['name']}=…" + (" or a flag of gentk sample" if kind == "samplers" else "")
    return Group(head, Text(""), table, Text(""), Text(f"set one with {where}", style="dim"))
