"""The loopback Hub, and the client of this process and of others set to it and to nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.server import Hub, Repo


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A fresh Hub. Afterwards: nothing was asked that it does not know (telemetry, say), and no token went to the CDN."""
    with Hub() as server:
        yield server
    assert server.unknown == []
    assert not [asked for asked in server.asked if asked.token and not asked.host.startswith("127.0.0.1")]


@pytest.fixture
def environment(hub: Hub, tmp_path: Path) -> dict[str, str]:
    """For child processes: this Hub, an empty cache, no token."""
    home = tmp_path / "hf"
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_TOKEN": "",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "0",
        "NO_PROXY": "127.0.0.1,localhost",
    }


@pytest.fixture
def client(hub: Hub, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The client of this process, which has read its environment long ago: the same settings, and nothing left of the last test.

    To be someone: `client.setenv("HF_TOKEN", "hf_good")`. To be offline: `client.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)`
    """
    from huggingface_hub import close_session, constants

    close_session()
    for name in ("HUGGING_FACE_HUB_TOKEN", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
        if name not in ("HF_TOKEN", "NO_PROXY"):
            monkeypatch.setattr(constants, name.removeprefix("HF_") if name == "HF_ENDPOINT" else name, truth(value), raising=False)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    yield monkeypatch
    close_session()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small weights, with everything that may lie beside them, and with what may not."""
    import torch

    import gentk
    from gentk.host.lookup import build_model, sampler
    from gentk.protocols import DataSpec, Leaf

    folder = tmp_path_factory.mktemp("weights") / "tiny"
    data = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))}, conditions={"label": Leaf(classes=3)})
    torch.manual_seed(0)
    gentk.save(build_model("ddpm", "ddpm-points", {"width": 8, "blocks": 1}, data), folder, sampler=sampler("ddim", steps=3))
    (folder / "recipe.toml").write_text('[model]\nplugin = "ddpm"\n')
    (folder / "README.md").write_text("---\ntags: [gentk, 'plugin:ddpm']\n---\nTiny.\n")
    (folder / "samples").mkdir()
    (folder / "samples/preview.png").write_bytes(b"a picture")
    (folder / "code.py").write_text("raise SystemExit('this ran')\n")
    (folder / "training_args.bin").write_bytes(b"\x80\x04")
    return folder


@pytest.fixture
def repo(hub: Hub, tiny: Path) -> Repo:
    """user/tiny: these weights, their commit also called v1."""
    made = hub.repo("user/tiny", tiny, tags=["gentk", "plugin:ddpm"], downloads=7, likes=2)
    made.tag("v1")
    return made


def truth(value: str) -> str | bool:
    return {"0": False, "1": True}.get(value, value)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody sleeps: the seconds that would have been slept, by us and by the client."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept
