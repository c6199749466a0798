"""Nothing in a folder of weights can run code, make this process wait, or cost more than what lies there."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gentk.errors import GentkError
from gentk.weights import folder as weights
from gentk.weights import safety

from .changing import refused

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.parent for path in ROOT.glob("plugins/*/gentk_*/weights/*/config.json"))


class Evil:
    """What runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch PWNED",)


def hostile(folder: Path) -> None:
    """Beside valid files: every kind of pickle, modules that Python might import, links, pipes, and what looks like weights."""
    bad = pickle.dumps(Evil())
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:  # as torch.save writes
        file.writestr("archive/data.pkl", bad)
        file.writestr("archive/version", "3\n")
    for name in ("pytorch_model.bin", "model.pt", "weights.pth", "last.ckpt", "optimizer.pkl", "model.joblib", "state.pickle", "x.dill"):
        (folder / name).write_bytes(zipped.getvalue() if name.startswith(("model.pt", "pytorch")) else bad)
    np.save(folder / "array.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    np.savez(folder / "arrays.npz", x=np.array([Evil()], dtype=object))
    for name in ("modeling.py", "setup.py", "conftest.py", "sitecustomize.py", "gentk_tides.py", "config.py", "gentk.py", "torch.py"):
        (folder / name).write_text("import os; os.system('touch PWNED'); raise SystemExit('run')")
    (folder / "evil.pth").write_text("import os; os.system('touch PWNED')\n")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "modeling.cpython-311.pyc").write_bytes(b"\0" * 64)
    (folder / "evil.so").write_bytes(b"\x7fELF" + b"\0" * 64)
    (folder / "model_index.json").write_text('{"_class_name": ["evil", "Evil"], "auto_map": {"AutoModel": "modeling.Evil"}}')
    (folder / "tokenizer.json").write_text("[" * 100_000)
    (folder / "generation_config.json").write_text("{")
    (folder / "huge.safetensors").write_bytes(b"\xff" * 64)
    (folder / "absurd").mkdir()
    (folder / "absurd" / "config.json").write_text('{"format": 1, "plugin": "os"}')
    for name, target in (("out", "/etc/passwd"), ("loop", "loop"), ("zero", "/dev/zero"), ("up", "..")):
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe")
    (folder / "recipe.toml").write_text('[model]\nplugin = "os"\nname = "system"\n[dataset]\nname = "moons"\n')
    (folder / "README.md").write_text("---\nlicense: !!python/object/apply:os.system ['touch PWNED']\n---\n")
    (folder / "metrics.json").write_text("{")


def test_what_lies_beside_sound_weights_is_never_opened(folder: Path) -> None:
    hostile(folder)
    done = subprocess.run(
        [sys.executable, "-m", "tests.weights.watching", str(folder)], capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["codes"] == [0, 0, 0, 0]
    assert not told["run"] and not told["unpickled"] and not told["alarming"]
    assert set(told["opened"]) <= {"config.json", "model.safetensors", "recipe.toml", "README.md", "metrics.json"}
    assert {"config.json", "model.safetensors", "recipe.toml"} <= set(told["opened"])
    assert not list(folder.rglob("PWNED")) and not list(folder.parent.glob("PWNED"))


WAITING = """
import os, sys
from pathlib import Path
import gentk
from gentk.errors import GentkError
folder = Path(sys.argv[1])
for name in ("config.json", "model.safetensors", "recipe.toml"):
    path = folder / name
    old = path.read_bytes()
    for make in (os.mkfifo, lambda path: os.symlink("/dev/zero", path), lambda path: os.symlink("/dev/stdin", path)):
        path.unlink()
        make(path)
        try:
            if name == "recipe.toml":
                from gentk.weights.origin import dataset_of
                dataset_of(folder, {"plugin": "ddpm"}, "these")
            else:
                gentk.load(folder)
        except GentkError as error:
            print(name, "|", error)
    path.unlink()
    path.write_bytes(old)
"""


def test_a_pipe_or_a_device_is_not_waited_for(folder: Path) -> None:
    (folder / "recipe.toml").write_text("")
    command = [sys.executable, "-c", WAITING, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        lines = process.stdout.read().splitlines()  # its stdin stays open: who read from it would wait
    assert len(lines) == 9
    assert all("is no regular file" in line or "holds no config.json" in line for line in lines)


# ---------------------------------------------------------------- absurd sizes
ABSURD: list[tuple[str, dict[str, Any], str]] = [
    ("ddpm/moons", {"config.blocks": 10**9}, "blocks"),
    ("ddpm/moons", {"config.width": 10**400}, "width"),
    ("ddpm/moons", {"config.schedule": "linear", "config.schedule_options": {"steps": 10**11}}, "steps must be"),
    ("ddpm/moons", {"config.schedule": "zero-terminal", "config.schedule_options": {"options": {"steps": 10**11}}}, "steps must be"),
    ("ddpm/moons", {"config.schedule": "betas", "config.schedule_options": {"betas": [0.5] * 150_000}}, "take v or x"),
    ("ddpm/moons", {"data.conditions.label.classes": 10**12, "data.conditions.label.names": []}, "from 0 to 1000000"),
    ("ddpm/moons", {"data.leaves.x.shape": [10**9], "config.width": 16384}, "(131 TB)"),
    ("ddpm/moons", {"sampler.options": {"steps": 10**12}}, "steps: should be"),
    ("ddpm/mnist", {"config.channels": [16384] * 8, "config.attention": [True] * 8, "config.layers": 16}, "(10 TB)"),
    ("ddpm/mnist", {"config.channels": [32] * 50_000, "config.attention": [True] * 50_000}, "at most 8"),
    ("ddpm/mnist", {"data.leaves.x.shape": [10**8, 1, 1]}, "(1 TB)"),
    ("vae/mnist", {"config.latent": 10**12}, "latent: should be"),
    ("vae/mnist", {"config.widths": [16384] * 8}, "lack decoder"),
    ("vae/mnist", {"model": "wae-gan", "config": {"critic": [10**9, 10**9], "net": "dense"}}, "critic.0"),
    ("vae/mnist", {"model": "wae-gan", "config": {"critic": [8] * 150_000, "net": "dense"}}, "at most 8 items"),
    ("vae/vq-mnist", {"config.codes": 10**12}, "codes: should"),
    ("classical/gmm", {"config.components": 10**12}, "components: should"),
    ("classical/gmm", {"data.leaves.x.shape": [10**5], "config.components": 65536}, "(5243 TB)"),
    ("classical/hmm", {"config.states": 10**9}, "states: should"),
    ("classical/hmm", {"data.leaves.x.shape": [10**9], "data.leaves.length.classes": 10**6}, "lengths is 25"),
    ("classical/markov", {"config.order": 12, "config.contexts": 10**15}, "take a lower order"),
    ("classical/markov", {"config.matrix": [[0.5, 0.5]] * 80_000}, "must be 1"),
    ("classical/naive-bayes", {"data.conditions.label": {"classes": 10**6}, "data.frequencies": {}}, "the config wants 1000000"),
    ("classical/bayes-net", {"config.variables": [f"v{i}" for i in range(60_000)], "config.states": [2] * 60_000}, "at most 1000 items"),
    ("classical/bayes-net", {"config.states": [10**12] * 4}, "16,777,216"),
    ("classical/ar", {"config.order": 10**9}, "order: should"),
    ("classical/ar", {"data.leaves.x.shape": [1001, 10**6], "config.order": 500}, "at most 1e+09 numbers"),
]
LIMITED = """
import json, resource, shutil, sys
from pathlib import Path
import torch
import gentk
from gentk.errors import GentkError
from gentk.weights.names import locate
gentk.load("ddpm/moons"), gentk.load("classical/gmm")
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 1_000_000_000,) * 2)
for number, (name, changes, _) in enumerate(json.load(sys.stdin)):
    folder = Path(sys.argv[1]) / str(number)
    shutil.copytree(locate(name).folder, folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for key, value in changes.items():
        *parents, last = key.split(".")
        node = config
        for parent in parents:
            node = node[parent]
        node[last] = value
    path.write_text(json.dumps(config))
    try:
        gentk.load(folder)
    except GentkError as error:
        print(json.dumps(str(error)))
    else:
        print(json.dumps("loaded"))
    shutil.rmtree(folder)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a process's memory is limited as Linux does it")
def test_absurd_configs_cost_no_memory(tmp_path: Path) -> None:
    """A gigabyte beyond what Python and torch take is enough to refuse every one of them."""
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(command, input=json.dumps(ABSURD), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(messages) == len(ABSURD)
    for (name, changes, word), message in zip(ABSURD, messages, strict=True):
        assert word in message and message != "loaded", (name, changes, message)
        assert message.isprintable() and len(message) < 600, message
        assert "can be built" not in message and "alloc" not in message.lower(), message  # measured before it was tried


# ---------------------------------------------------------------- anything at all
STRANGE: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 10**6, 10**12, 10**400, -(10**400), 0.5, -0.0, 1e308, 5e-324, float("inf"), float("nan"), "", "x",
    "4; import os", "a" * 5000, "../../etc/passwd", "\0", "\x1b[31m", "\ud800", "auto", "linear", "heun", [], [1], [-1], [0], [10**12],
    [2] * 40, ["a", "b"], [[1, 2], [3, 4]], {}, {"a": 1}, {"name": 1}, {"plugin": "x"}, [[[[]]]], [True, False],
]  # fmt: skip


def places(value: Any, *path: Any) -> list[tuple[Any, ...]]:
    """Every path to something inside."""
    inner = value.items() if isinstance(value, dict) else list(enumerate(value))[:4] if isinstance(value, list) else ()
    return [place for key, v in inner for place in ((*path, key), *places(v, *path, key))]


def mutated(config: Any, draw: random.Random) -> Any:
    config = json.loads(json.dumps(config))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        if not (found := places(config)):
            break
        *parents, key = draw.choice(found)
        node: Any = config
        for parent in parents:
            node = node[parent]
        how, old = draw.randrange(6), node[key]
        if how == 0 and isinstance(node, dict):
            del node[key]
        elif how == 1 and isinstance(node, dict):
            node[draw.choice(("name", "plugin", "x", "a b", "--out", "classes", "\n", f"{key}s"))] = old
        elif how == 2 and isinstance(old, (int, float)):
            node[key] = draw.choice((old * 2, old + 1, -old, old * 10**6, old // 2 if old == old and abs(old) < 1e300 else 3, str(old)))
        elif how == 3 and isinstance(old, list) and old:
            node[key] = draw.choice((old * 2, old[:-1], old[::-1], old * 300))
        else:
            node[key] = draw.choice(STRANGE)
    return config


@pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: f"{path.parents[2].name}-{path.name}")
def test_any_config_is_refused_or_sound(shipped: Path, tmp_path: Path) -> None:
    """Forty changes at random: one line, or a model with the weights' numbers; never another error."""
    draw, original = random.Random(shipped.name), json.loads((shipped / "config.json").read_text())
    (tmp_path / "model.safetensors").symlink_to("numbers")
    (tmp_path / "numbers").write_bytes((shipped / "model.safetensors").read_bytes())
    head = safety.read_header(tmp_path)
    sound = 0
    for _ in range(40):
        (tmp_path / "config.json").write_text(json.dumps(mutated(original, draw)), "utf-8")
        try:
            model = weights.read(tmp_path)
        except GentkError as error:
            assert str(error).isprintable() and len(str(error)) < 800
        else:
            sound += 1
            assert {name: tuple(tensor.shape) for name, tensor in weights.kept(model).items()} == {
                name: shape for name, (_, shape) in head.tensors.items()
            }
            assert all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values())
    assert 0 < sound < 40


def test_a_pickle_in_place_of_every_file(folder: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        old = (folder / name).read_bytes()
        (folder / name).write_bytes(pickle.dumps(Evil()))
        assert "is not" in refused(folder) or "truncated" in refused(folder)
        (folder / name).write_bytes(old)
    assert not Path("PWNED").exists()
