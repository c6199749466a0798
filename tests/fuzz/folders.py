"""Folders of weights with something wrong in them, from a seed."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

SOUND = ("ddpm/moons", "classical/gmm", "classical/markov", "classical/ar", "classical/hmm", "classical/naive-bayes", "vae/ae-mnist")
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2, 1.5, 1e308, 10**9, 10**18, -(10**18), "", "x", "[/foo]", "\x1b[2J", "\u202e", "é", "../../x",
    "a" * 10_000, [], [[]], {}, {"a": 1}, [1] * 9, ["x"], "ddpm", "label", "image", "points", float("nan"), float("inf"), "$(id)",
    "evil-stealer",
]  # fmt: skip


def mutate(folder: Path, chance: random.Random) -> str:
    """Damage the folder in one to three places; what was done, in words."""
    return "; ".join(
        chance.choice((bits, cut, structure, structure, structure, header, files))(folder, chance)
        for _ in range(chance.choice((1, 1, 2, 3)))
    )


def _file(folder: Path, chance: random.Random) -> Path | None:
    found = sorted(filter(_own, folder.iterdir()))
    return chance.choice(found) if found else None


def _own(path: Path) -> bool:
    """Whether it may be read and written here: a pipe would be waited for, and a link leads to somebody's file."""
    return path.is_file() and not path.is_symlink()


def bits(folder: Path, chance: random.Random) -> str:
    if not (path := _file(folder, chance)) or not (raw := bytearray(path.read_bytes())):
        return "nothing"
    end = min(len(raw), 4000) if chance.random() < 0.7 else len(raw)
    places = [chance.randrange(end) for _ in range(chance.choice((1, 1, 3, 20)))]
    for place in places:
        raw[place] ^= 1 << chance.randrange(8)
    path.write_bytes(raw)
    return f"bits {places[:3]} of {path.name}"


def cut(folder: Path, chance: random.Random) -> str:
    if not (path := _file(folder, chance)):
        return "nothing"
    raw = path.read_bytes()
    end = chance.randrange(len(raw) + 1)
    path.write_bytes(raw[:end] if chance.random() < 0.7 else raw + raw[:end])
    return f"{path.name} cut at {end}"


def structure(folder: Path, chance: random.Random) -> str:
    """A value anywhere in config.json is another, gone, or renamed."""
    path = folder / "config.json"
    if not _own(path):
        return "nothing"
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError):
        return "nothing"
    node, trail = config, []
    while isinstance(node, dict | list) and node:
        key = chance.choice(sorted(node, key=str)) if isinstance(node, dict) else chance.randrange(len(node))
        trail.append(key)
        parent, node = node, node[key]
        if not isinstance(node, dict | list) or not node or chance.random() < 0.3:
            break
    if not trail:
        return "nothing"
    how = chance.random()
    if how < 0.75:
        parent[key] = chance.choice(ODD)
    elif how < 0.9:
        del parent[key]
    elif isinstance(parent, dict):
        parent[str(chance.choice(ODD))[:50]] = parent.pop(key)
    path.write_text(json.dumps(config))
    return f"config.{'.'.join(map(str, trail))} ({how:.2f})"


def header(folder: Path, chance: random.Random) -> str:
    """The text of the safetensors header."""
    path = folder / "model.safetensors"
    if not _own(path) or len(raw := path.read_bytes()) < 16:
        return "nothing"
    length = min(int.from_bytes(raw[:8], "little"), len(raw) - 8)
    text = raw[8 : 8 + length]
    old, new = chance.choice(
        ((b"F32", b"F64"), (b"F16", b"F32"), (b"[", b"[["), (b"0", b"9"), (b"shape", b"shapes"), (b"data_offsets", b"data"), (b'"', b"'"))
    )
    text = text.replace(old, new, chance.choice((1, 2, -1)))
    path.write_bytes((len(text) if chance.random() < 0.8 else chance.randrange(2**62)).to_bytes(8, "little") + text + raw[8 + length :])
    return f"header {old!r} → {new!r}"


def files(folder: Path, chance: random.Random) -> str:
    if not (path := _file(folder, chance)):
        return "nothing"
    what = chance.choice(("gone", "folder", "link", "pipe", "empty", "pickle"))
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to("../../../elsewhere")
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "empty":
        path.touch()
    elif what == "pickle":
        path.with_name("pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")
    return f"{path.name} {what}"


def copy(sound: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(sound, target))
