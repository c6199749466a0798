"""`gentk import` and `gentk export` as they are typed, and from the Hub."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

import gentk
from gentk.cli import run
from tests.hub.conftest import client, environment, hub  # noqa: F401
from tests.hub.server import Hub, Repo
from tests.running import gentk as process
from tests.tools.pipelines import SMALL, flat, nested, unet


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


@pytest.mark.parametrize("kind", ["fp16", "sharded", "sharded fp16"])
def test_half_precision_and_shards_are_read(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names that diffusers itself gives files of half precision, and of several."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    net = unet(**SMALL)
    net = net.half() if "fp16" in kind else net
    flat(net, diffusers.DDPMScheduler(num_train_timesteps=20), tmp_path / "theirs")
    (tmp_path / "theirs/diffusion_pytorch_model.safetensors").unlink()
    size = {"max_shard_size": "100KB"} if "sharded" in kind else {}
    net.save_pretrained(tmp_path / "theirs", variant="fp16" if "fp16" in kind else None, **size)
    files = sorted(path.name for path in (tmp_path / "theirs").glob("*.safetensors*"))
    assert (len(files) > 2) == ("sharded" in kind) and ("fp16" in files[0]) == ("fp16" in kind)
    assert run(["import", "theirs", "--out", "ours"]) == 0
    model, theirs = gentk.load("ours"), net.float()
    state = theirs.state_dict()
    own = model.net.state_dict()
    assert all(torch.equal(own[name].float(), state[name]) for name in state if name in own) and len(own) == len(state)


def test_help_is_light() -> None:
    probe = "import sys; from gentk.cli import run; run(['import', '--help']); run(['import', 'nowhere'])"
    heavy = "print([m for m in ('torch', 'numpy', 'huggingface_hub') if m in sys.modules])"
    import subprocess

    done = subprocess.run([sys.executable, "-c", f"{probe}; {heavy}"], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


# ---------------------------------------------------------------- the Hub
@pytest.fixture
def published(hub: Hub, tmp_path: Path) -> Repo:  # noqa: F811
    flat(unet(**SMALL), diffusers.DDPMScheduler(num_train_timesteps=20), tmp_path / "theirs")
    (tmp_path / "theirs/pickle.bin").write_bytes(b"\x80\x04")
    made = hub.repo("some/tiny", tmp_path / "theirs", tags=["diffusers"])
    made.tag("v1")
    return made


def test_from_the_hub_and_then_offline(
    hub: Hub,  # noqa: F811
    published: Repo,
    client: pytest.MonkeyPatch,  # noqa: F811
    environment: dict[str, str],  # noqa: F811
) -> None:
    done = process("import", "some/tiny@v1", "--json", cwd=Path.cwd(), **environment)
    said = json.loads(done.stdout)
    assert done.returncode == 0 and said["weights"] == "imported/tiny" and said["notes"] == [], done.stderr
    assert (said["plugin"], said["sampler"]["name"], said["config"]["schedule_options"]["steps"]) == ("ddpm", "ancestral", 20)
    asked = hub.requests()
    assert f"GET /some/tiny/resolve/{published.sha()}/config.json" in asked and not any(".bin" in request for request in asked)
    client.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert run(["import", "some/tiny@v1", "--out", "again"]) == 0  # from the cache
    with torch.no_grad():
        one, two = (gentk.load(name) for name in ("imported/tiny", "again"))
        x, t = torch.ones(1, 3, 8, 8), torch.tensor(0.5, dtype=torch.float64)
        assert torch.equal(one.denoise(x, t, {}).eps, two.denoise(x, t, {}).eps)


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("some/none", "there is no repository some/none"),
        ("some/gated", "some/gated is gated: accept its terms"),
        ("some/tiny@v9", "no revision 'v9'"),
        ("some/damaged", "differs from the Hub's"),
        ("some/offline", "the client is offline"),
        ("so--me/a..b", "there is no folder so--me/a..b"),
    ],
)
def test_what_the_client_meets_is_one_line(
    source: str,
    word: str,
    hub: Hub,  # noqa: F811
    published: Repo,
    client: pytest.MonkeyPatch,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    hub.repo("some/gated", published.files(), gated=True)
    hub.repo("some/damaged", published.files())
    hub.flip("some/damaged/resolve")
    client.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", source == "some/offline")
    assert run(["import", source]) in (1, 2)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and word in lines[0] and not Path("imported").exists()
