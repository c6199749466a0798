"""config.json of a folder that nobody vouches for: every key of the type it must have, every size one that a machine can hold. No torch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..distribution import FOREIGN, NAME, version
from ..errors import GentkError
from .files import CONFIG, read_json, shown
from .tokenizer import put_back

if TYPE_CHECKING:
    from pydantic import ValidationError

    from ..protocols import DataSpec, Leaf

FORMAT = 2  # 1 named the core "gentk" in `requires`
NUMBERS = 1_000_000_000  # in one leaf of one example
CLASSES = 1_000_000
LEAVES = 1000
_NAME = re.compile(r"\w[\w./+-]{0,99}", re.ASCII)  # what is looked up: a plugin, a model, PLUGIN/SAMPLER
_WORD = re.compile(r"[A-Za-z_][\w-]{0,63}", re.ASCII)  # a leaf's or a condition's name: a key of a batch, a flag, part of a column's name


def read_config(folder: Path) -> dict[str, Any]:
    """config.json, checked; what may be left out is there. Raises GentkError in one line."""
    path, config = folder / CONFIG, read_json(folder, CONFIG)
    written = config.get("format")
    if type(written) is not int or not 1 <= written <= FORMAT:
        raise GentkError(f"{path} has format {shown(repr(written), 40)}; this gentk reads 1 to {FORMAT}: update gentk, or save again")
    config = put_back(config, folder)
    _check(config, path)
    if written == 1 and FOREIGN in (needs := dict(config.get("requires") or {})):
        config = {**config, "requires": {NAME: needs.pop(FOREIGN), **needs}}
    return {"requires": {}, "conditions": {}, "sampler": {}, "recipe": "", **config}


def _check(config: Mapping[str, Any], path: Path, where: tuple[str, ...] = ()) -> None:
    """Every key that gentk reads, also of the model whose latents the data are."""
    from pydantic import TypeAdapter, ValidationError

    from ..conditions import CONDITIONS
    from ..protocols import DataSpec

    needed: dict[str, TypeAdapter[Any]] = {"plugin": TypeAdapter(str), "model": TypeAdapter(str)}
    needed |= {"config": TypeAdapter(dict[str, Any]), "data": TypeAdapter(DataSpec)}
    optional: dict[str, TypeAdapter[Any]] = {"conditions": CONDITIONS, "sampler": TypeAdapter(dict[str, Any])}
    optional |= {"requires": TypeAdapter(dict[str, str]), "recipe": TypeAdapter(str), "latents": TypeAdapter(dict[str, Any] | None)}
    found: dict[str, Any] = {}
    for key, kind in (needed | optional).items():
        if key not in config:
            if key in optional:
                continue
            raise GentkError(f"{path}: '{'.'.join((*where, key))}' is missing")
        try:
            found[key] = kind.validate_json(json.dumps(config[key]), strict=True)  # true is no 1, and "3" no 3
        except ValidationError as error:
            raise _complaint(error, path, (*where, key)) from None
    wrong = _wrong_names(found) or wrong_data(found["data"]) or wrong_conditions(found.get("conditions", {}))
    if wrong:
        raise GentkError(f"{path}: {'.'.join((*where, wrong))}")
    if found.get("latents"):
        _check(found["latents"], path, (*where, "latents"))


def _complaint(error: ValidationError, path: Path, where: tuple[str, ...]) -> GentkError:
    first = error.errors(include_url=False)[0]
    place = ".".join([*where, *(shown(key, 40) for key in first["loc"])])
    said = " ".join(first["msg"].removeprefix("Input ").split())
    return GentkError(f"{path}: {shown(place, 160)}: {shown(said, 160)}, found {shown(repr(first['input']), 60)}")


def _wrong_names(config: Mapping[str, Any]) -> str:
    """What cannot be looked up, in words that follow "config.json: "; or nothing."""
    sampler = config.get("sampler") or {}
    if not isinstance(sampler.get("name", ""), str) or not isinstance(sampler.get("options", {}), dict):
        return "sampler must have a name and options"
    names = {"plugin": config["plugin"], "model": config["model"], "sampler.name": sampler.get("name") or "none"}
    return next((f"{key}: '{shown(name, 60)}' is no name" for key, name in names.items() if not _NAME.fullmatch(name)), "")


def wrong_data(data: DataSpec) -> str:
    """The same of what no example can be."""
    if not _WORD.fullmatch(data.modality):
        return f"data.modality: '{shown(data.modality)}' is no word"
    for kind, leaves in (("leaves", data.leaves), ("conditions", data.conditions)):
        if len(leaves) > LEAVES:
            return f"data.{kind}: {len(leaves)} of them; at most {LEAVES} are read"
        for name, leaf in leaves.items():
            if not _WORD.fullmatch(name):
                return f"data.{kind}: '{shown(name)}' is no name: letters, digits, - and _, beginning with a letter"
            if wrong := _wrong_leaf(leaf):
                return f"data.{kind}.{name}.{wrong}"
    if not data.leaves or (twice := data.leaves.keys() & data.conditions.keys()):
        return f"data: '{min(twice)}' is a leaf and a condition" if data.leaves else "data.leaves: there is none"
    for name, shares in data.frequencies.items():
        if name not in data.conditions or len(shares) != data.conditions[name].classes or not _shares(shares):
            return f"data.frequencies.{shown(name)} must be a share of each class of a condition"
    return ""


def _wrong_leaf(leaf: Leaf) -> str:
    if any(not 1 <= size <= NUMBERS for size in leaf.shape) or len(leaf.shape) > 8 or math.prod(leaf.shape) > NUMBERS:
        return f"shape: {shown(list(leaf.shape), 60)}: sizes are 1 or more, and at most {NUMBERS:.0e} numbers in all"
    if not 0 <= leaf.classes <= CLASSES:
        return f"classes: {shown(leaf.classes, 40)}: from 0 to {CLASSES}"
    if leaf.names and len(leaf.names) != leaf.classes:
        return f"names: {len(leaf.names)} names of {leaf.classes} classes"
    if leaf.tokenizer and not leaf.classes:
        return "tokenizer: of a leaf with classes, its tokens"
    if leaf.range and not -math.inf < leaf.range[0] < leaf.range[1] < math.inf:
        return f"range: {shown(list(leaf.range), 60)}: the lower end comes first, and both are finite"
    if not 0 <= leaf.levels <= 1 << 32 or leaf.levels == 1:
        return f"levels: {shown(leaf.levels, 40)}: 0, or from 2 to 2^32"
    return ""


def _shares(shares: list[float]) -> bool:
    return all(0 <= share < math.inf for share in shares) and 0 < sum(shares) < math.inf


def wrong_conditions(conditions: Mapping[str, Any]) -> str:
    """The same of what a model can be asked for."""
    if len(conditions) > LEAVES:
        return f"conditions: {len(conditions)} of them; at most {LEAVES} are read"
    for name, condition in conditions.items():
        if not _WORD.fullmatch(name):
            return f"conditions: '{shown(name)}' is no name: letters, digits, - and _, beginning with a letter"
        shape, shares = getattr(condition, "shape", ()), getattr(condition, "frequencies", ())
        if getattr(condition, "length", 0) > CLASSES:
            return f"conditions.{name}.length: at most {CLASSES}"
        told = condition.help + condition.metavar
        if not told.replace("\n", " ").isprintable() or len(told) > 1000:
            return f"conditions.{name}: help and metavar are a line of text, found '{shown(told, 60)}'"
        if any(not 1 <= size <= NUMBERS for size in shape) or math.prod(shape) > NUMBERS:
            return f"conditions.{name}.shape: sizes are 1 or more, and at most {NUMBERS:.0e} numbers in all"
        if shares and (len(shares) != condition.classes or not _shares(list(shares))):
            return f"conditions.{name}.frequencies must be a share of each class"
    return ""


# ---------------------------------------------------------------- what reads it
def check_plugins(config: Mapping[str, Any]) -> None:
    """The plugins that the config names are installed, and new enough. The name is a key to look up, never something to import or
    install. Raises GentkError."""
    from ..host import lookup
    from ..host.catalogue import offer

    name = str(config["plugin"])
    if name == lookup.OURS:  # the core's own encoder; what it stands in front of says which versions it needs
        lookup.model_spec(name, config["model"])
        return
    if name not in lookup.host().plugins:
        remedy = offer(name) or "; ask their author what to install"
        raise GentkError(f"weights need plugin '{shown(name)}', which is not installed{remedy}")
    _check_versions(name, config.get("requires") or {})
    lookup.model_spec(name, config["model"])
    if config.get("latents"):
        check_plugins(config["latents"])


def distributions(config: Mapping[str, Any]) -> list[str]:
    """What must be installed besides the core to read the weights: the distributions that own the plugins that the config names, here or
    in our catalogue. What the config itself requires is a stranger's word, and is never offered to an installer."""
    from ..host import lookup
    from ..host.catalogue import published
    from ..host.entries import distribution_name

    found: set[str] = set()
    for part in (config, config.get("latents") or {}):
        name = part.get("plugin")
        if plugin := lookup.host().plugins.get(str(name)):
            found |= {distribution_name(ep.dist) for ep in plugin.entry_points}
        elif entry := published().get(str(name)):
            found.add(entry.distribution)
    return sorted(found)


def _check_versions(plugin: str, requires: Mapping[str, str]) -> None:
    """gentk's and the plugin's own; what else is said there is nobody's business."""
    from packaging.specifiers import SpecifierSet

    from ..host import lookup
    from ..host.provenance import origin

    made = origin(lookup.host().plugins[plugin].entry_points[0])
    for distribution, here in {NAME: version(), made.distribution: made.version}.items():
        wanted = requires.get(distribution, "")
        try:
            fits = SpecifierSet(wanted).contains(here, prereleases=True)
        except ValueError:  # InvalidSpecifier, or a number of more digits than Python reads
            raise GentkError(f"{CONFIG}: requires: '{shown(wanted, 40)}' is no range of versions of {distribution}") from None
        if not fits:
            raise GentkError(f"weights need {distribution}{shown(wanted, 40)}, this is {distribution} {here}: update it")
