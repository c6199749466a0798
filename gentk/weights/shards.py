"""Weights above a size lie in several files, model-00001-of-00003.safetensors and so on, with an index that says which tensor is where:
the layout that transformers and the Hub's tools write and read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import GentkError
from .files import CONFIG, INDEX, SHARD, TENSORS, fresh, member, read_json, shown
from .header import MAX_TENSORS, Header, read_file

if TYPE_CHECKING:
    from torch import Tensor

LIMIT = 5_000_000_000
"""Bytes of numbers in one file."""
MAX_INDEX = 10_000_000


def plan(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Names → the names in each file, in their order; one that is larger than `limit` has a file of its own."""
    files: list[list[str]] = []
    current: list[str] = []
    held = 0
    for name, size in sizes.items():
        if size > limit:
            files.append([name])
        elif held + size > limit:
            files.append(current)
            current, held = [name], size
        else:
            current.append(name)
            held += size
    return [*files, current] if current or not files else files


def file_names(count: int) -> list[str]:
    return [TENSORS] if count == 1 else [f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)]


# ---------------------------------------------------------------- writing
def write(
    folder: Path, texts: Mapping[str, str], sizes: Mapping[str, int], fetch: Callable[[Sequence[str]], dict[str, Tensor]], limit: int
) -> None:
    """`texts` (config.json last) and the numbers: one file, or shards and their index. `sizes`: bytes of each tensor; `fetch`: some of
    them, to be written, so that no more than one file's are held.

    All is written to temporary names, then renamed, the index and the config last, then what another layout left is removed. Whatever
    fails before the renaming leaves the old weights; a kill in its midst leaves a folder that is refused, never a mixture.
    """
    groups = plan(sizes, limit)
    files = file_names(len(groups))
    if len(files) > 1:
        where = {name: file for file, names in zip(files, groups, strict=True) for name in names}
        index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": where}
        texts = {INDEX: json.dumps(index, indent=2, ensure_ascii=False) + "\n", **texts}
    try:
        for name, text in texts.items():
            with fresh(_temporary(folder, name)) as opened:
                opened.write(text)
        for file, names in zip(files, groups, strict=True):
            _write_numbers(_temporary(folder, file), fetch(names), like=_temporary(folder, CONFIG))
        if len(files) > 1 and (folder / files[0]).exists():  # shards of the same names: without an index they are nobody's
            (folder / INDEX).unlink(missing_ok=True)
        for name in (*files, *texts):
            os.replace(_temporary(folder, name), folder / name)
    finally:
        for name in (*files, *texts):
            _temporary(folder, name).unlink(missing_ok=True)
    _remove(folder, keep={*files, *texts})


def _temporary(folder: Path, name: str) -> Path:
    return folder / f".{name}.tmp"


def _write_numbers(path: Path, tensors: dict[str, Tensor], *, like: Path) -> None:
    from safetensors.torch import save_file

    seen: set[int] = set()
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        tensors[name] = tensor.clone() if place in seen else tensor  # tied weights share memory, and the file may not
        seen.add(place)
    fresh(path).close()
    save_file(tensors, path, {"format": "pt"})
    path.chmod(like.stat().st_mode)  # the library makes it private to its owner


def _remove(folder: Path, keep: Iterable[str]) -> None:
    """The numbers of another layout: by their exact names, so that nobody's other files go."""
    for path in folder.iterdir():
        if path.name not in keep and (path.name in (TENSORS, INDEX) or SHARD.fullmatch(path.name)):
            path.unlink()


# ---------------------------------------------------------------- reading
def read_index(folder: Path) -> dict[str, list[str]]:
    """Shard → the tensors that the index says are in it. Raises GentkError, also where a name is none of a shard."""
    index, path = read_json(folder, INDEX, most=MAX_INDEX, what="an index"), folder / INDEX
    where = index.get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(file, str) for file in where.values()):
        raise GentkError(f"{path}: weight_map must say of each tensor which file it is in")
    if len(where) > MAX_TENSORS:
        raise GentkError(f"{path} lists {len(where)} tensors; at most {MAX_TENSORS} are read")
    groups: dict[str, list[str]] = {}
    for name, file in where.items():
        if not SHARD.fullmatch(file):
            raise GentkError(f"{path} lists '{shown(file)}', which is no shard: those are called {file_names(2)[0]}")
        groups.setdefault(file, []).append(name)
    total = max(int(match[2]) for file in groups if (match := SHARD.fullmatch(file)))
    if len(groups) != total or sorted(groups) != file_names(total):
        raise GentkError(f"{path} does not list the shards 1 to {total}, each with the same total")
    return dict(sorted(groups.items()))


def read(folder: Path) -> Header:
    """What all shards hold, each header checked, and each against the index. Raises GentkError in one line."""
    groups = read_index(folder)
    heads = [_agreeing(read_file(member(folder, file)), names, folder / INDEX) for file, names in groups.items()]
    tensors = {name: entry for head in heads for name, entry in head.tensors.items()}
    places = {name: place for head in heads for name, place in head.places.items()}
    return Header(folder / INDEX, tensors, sum(head.bytes for head in heads), places)


def _agreeing(head: Header, names: Sequence[str], index: Path) -> Header:
    listed = set(names)
    if extra := sorted(head.tensors.keys() - listed):
        raise GentkError(f"{head.path} holds '{shown(extra[0])}', which {index.name} does not say is there: download both again")
    if missing := sorted(listed - head.tensors.keys()):
        raise GentkError(f"{index} says that '{shown(missing[0])}' is in {head.path.name}, where it is not: download both again")
    return head
