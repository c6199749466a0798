"""`gentk import` and `gentk export` as they are typed, and a Hub on the loopback for the real client."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import gentk
from gentk.cli import run
from tests.running import gentk as process
from tests.tools.pipelines import SMALL, flat, nested, unet

SHA = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nested(unet(**SMALL), diffusers.DDIMScheduler(num_train_timesteps=20), tmp_path_factory.mktemp("theirs") / "tiny")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")


# ---------------------------------------------------------------- folders
def test_in_draw_and_out_again(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", str(pipeline), "--plugin", "ddpm"]) == 0
    said = capsys.readouterr().out
    assert "gentk sample --weights imported/tiny" in said and "note: clip_sample" in said and "3×8×8" in said
    assert run(["sample", "--weights", "imported/tiny", "-n", "2", "--steps", "3", "--out", "a.npz"]) == 0
    assert np.load("a.npz")["x"].shape == (2, 3, 8, 8)
    assert run(["export", "imported/tiny", "--out", "there/back", "--to", "diffusers"]) == 0
    pipe = diffusers.DDPMPipeline.from_pretrained("there/back")
    assert type(pipe.scheduler) is diffusers.DDIMScheduler and pipe.scheduler.config.num_train_timesteps == 20
    theirs, back = (diffusers.UNet2DModel.from_pretrained(folder, subfolder="unet").state_dict() for folder in (pipeline, "there/back"))
    assert theirs.keys() == back.keys() and all(torch.equal(theirs[key], back[key]) for key in theirs)
    assert pipe(batch_size=1, num_inference_steps=2, output_type="np").images.shape == (1, 8, 8, 3)
    assert sorted(p.name for p in Path("there").iterdir()) == ["back"]  # nothing temporary is left


WRONG = {
    "import nowhere": "there is no folder nowhere",
    "import ./no/where": "there is no folder ./no/where",
    "import {pipeline}/model_index.json": "is a file",
    "import {pipeline} --from difusers": "did you mean 'diffusers'",
    "import {pipeline} --plugin datasets": "reads no format",
    "import {pipeline} --out full": "full is not empty",
    "export ddpm/mnist --out full": "full is not empty",
    "export ddpm/mnist --out x": "patch = 2",
    "export ddpm/moons --out x": "only the U-Net",
    "export ddpm --out x --to jax": "no format 'jax'",
    "export nothing --out x": "nothing",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_said_in_one_line(line: str, pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    assert run(line.format(pipeline=pipeline).split()) in (1, 2)
    err = capsys.readouterr().err.strip()
    assert WRONG[line] in err and err.startswith("error: ") and "\n" not in err
    assert [p.name for p in Path().rglob("*")] == ["full", "mine.txt"]  # no half-written folder


def test_help_is_light() -> None:
    probe = "import sys; from gentk.cli import run; run(['import', '--help']); run(['import', 'nowhere'])"
    heavy = "print([m for m in ('torch', 'numpy', 'huggingface_hub') if m in sys.modules])"
    import subprocess

    done = subprocess.run([sys.executable, "-c", f"{probe}; {heavy}"], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_missing_client_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert run(["import", "user/repo"]) == 1
    assert 'pip install "gentk[hub]"' in capsys.readouterr().err


# ---------------------------------------------------------------- the Hub
class Hub(BaseHTTPRequestHandler):
    """What `snapshot_download` asks for: a revision, a tree, files by HEAD and GET. Repositories are the subfolders of `root`."""

    root: Path
    asked: list[str]
    protocol_version = "HTTP/1.1"

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.asked.append(path)
        api = path.startswith("/api/models/")
        words = path.removeprefix("/api/models/").strip("/").split("/")
        name, verb, rest = "/".join(words[:2]), words[2] if len(words) > 2 else "", words[3:]
        repo = self.root / name
        if name == "some/gated":
            return self.answer(403, X_Error_Code="GatedRepo", X_Error_Message="gated")
        if not repo.is_dir():
            return self.answer(404, X_Error_Code="RepoNotFound", X_Error_Message="no such repo")
        if rest and rest[0] not in ("main", "v1", SHA):
            return self.answer(404, X_Error_Code="RevisionNotFound", X_Error_Message="no such revision")
        files = sorted(p for p in repo.rglob("*") if p.is_file())
        if api:
            entries: Any = [
                {"type": "file", "path": str(p.relative_to(repo)), "size": p.stat().st_size, "oid": self.etag(p)} for p in files
            ]
            info = {"id": name, "sha": SHA, "siblings": [{"rfilename": e["path"]} for e in entries], "tags": [], "private": False}
            return self.answer(200, json.dumps(entries if verb == "tree" else info).encode(), Content_Type="application/json")
        if not (path := repo / "/".join(rest[1:])).is_file():
            return self.answer(404, X_Error_Code="EntryNotFound")
        return self.answer(200, path.read_bytes(), ETag=f'"{self.etag(path)}"', X_Repo_Commit=SHA)

    do_HEAD = do_GET

    @staticmethod
    def etag(path: Path) -> str:
        return hashlib.sha1(path.read_bytes()).hexdigest()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings with which the client meets this Hub only, as it names them."""
    Hub.root, Hub.asked = tmp_path_factory.mktemp("hub"), []
    flat(unet(**SMALL), diffusers.DDPMScheduler(num_train_timesteps=20), Hub.root / "some" / "tiny")
    (Hub.root / "some/tiny/pickle.bin").write_bytes(b"\x80\x04")
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield {"ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_CACHE": str(tmp_path_factory.mktemp("cache"))}
        server.shutdown()


@pytest.fixture
def client(hub: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The client of this process, which has read its environment long ago."""
    from huggingface_hub import constants

    for name, value in {**hub, "HF_HUB_DISABLE_XET": True}.items():
        monkeypatch.setattr(constants, name, value)
    return monkeypatch


def test_from_the_hub_and_then_offline(hub: dict[str, str], client: pytest.MonkeyPatch) -> None:
    env = {"HF_ENDPOINT": hub["ENDPOINT"], "HF_HUB_CACHE": hub["HF_HUB_CACHE"], "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
    done = process("import", "some/tiny@v1", "--json", cwd=Path.cwd(), **env)
    said = json.loads(done.stdout)
    assert done.returncode == 0 and said["weights"] == "imported/tiny" and said["notes"] == [], done.stderr
    assert (said["plugin"], said["sampler"]["name"], said["config"]["schedule_options"]["steps"]) == ("ddpm", "ancestral", 20)
    assert any(f"/some/tiny/resolve/{SHA}/config.json" in path for path in Hub.asked) and not any(".bin" in path for path in Hub.asked)
    client.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert run(["import", "some/tiny@v1", "--out", "again"]) == 0  # from the cache
    with torch.no_grad():
        one, two = (gentk.load(name) for name in ("imported/tiny", "again"))
        x, t = torch.ones(1, 3, 8, 8), torch.tensor(0.5, dtype=torch.float64)
        assert torch.equal(one.denoise(x, t, {}).eps, two.denoise(x, t, {}).eps)


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("some/none", "there is no such repository"),
        ("some/gated", "access must be asked for"),
        ("some/tiny@v9", "no revision 'v9'"),
        ("some/offline", "the client is offline"),
        ("so--me/a..b", "could not be downloaded"),
    ],
)
def test_what_the_client_meets_is_one_line(source: str, word: str, client: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    client.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", source == "some/offline")
    assert run(["import", source]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and word in lines[0] and not Path("imported").exists()
