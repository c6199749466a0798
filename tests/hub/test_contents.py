"""What a repository may hold, and what is refused before anything of it is fetched."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch

import gentk
from gentk.errors import GentkError
from gentk.weights import folder
from gentk.weights import hub as reading
from tests.hub.loading import numbers, offline, refusal
from tests.hub.server import Hub, Repo

pytestmark = pytest.mark.usefixtures("client")
Usage = namedtuple("Usage", "total used free")


HOSTILE = ["../../x", "/etc/x", "a/../../x", "C:\\x", "C:/x", "a\\b", "nul\0", "esc\x1b[2J", "new\nline", "a//b", "a/./b", ".."]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_and_nothing_is_fetched(hub: Hub, tiny: Path, name: str, tmp_path: Path) -> None:
    hub.repo("user/evil", {"config.json": (tiny / "config.json").read_bytes(), name: b"x", "model.safetensors": b"x"})
    said = refusal("user/evil")
    assert "user/evil lists a file '" in said and said.isprintable()
    assert hub.requests() == ["GET /api/models/user/evil"] and not (tmp_path / "hf/hub/models--user--evil").exists()


def test_what_is_no_repository_of_gentk_weights(hub: Hub, tiny: Path) -> None:
    config, weights = ((tiny / name).read_bytes() for name in ("config.json", "model.safetensors"))
    hub.repo("user/none", {"README.md": b"hello"})
    hub.repo("user/pipe", {"model_index.json": b"{}"})
    hub.repo("user/bin", {"config.json": config, "pytorch_model.bin": b"\x80\x04"})
    hub.repo("user/empty", {"config.json": config})
    hub.repo("user/both", {"config.json": config, "model.safetensors": weights, "model.safetensors.index.json": b"{}"})
    hub.repo("user/parts", {"config.json": config, "model-00001-of-00002.safetensors": weights})
    hub.repo("user/huge", {"config.json": b" " * 1_000_001, "model.safetensors": weights})
    said = {name: refusal(f"user/{name}") for name in ("none", "pipe", "bin", "empty", "both", "parts", "huge")}
    assert said["none"] == "user/none holds no config.json, so it is no repository of gentk weights"
    assert "gentk import user/pipe --plugin" in said["pipe"]
    assert said["bin"].startswith("user/bin has no safetensors weights, only pytorch_model.bin; gentk does not load pickle: convert and")
    assert said["empty"] == "user/empty has no model.safetensors"
    assert "holds both model.safetensors and model.safetensors.index.json" in said["both"]
    assert "holds shards, but no model.safetensors.index.json" in said["parts"]
    assert "config.json of user/huge is 1.0 MB; at most 1 MB" in said["huge"]
    assert not [asked for asked in hub.requests() if "resolve" in asked]


def test_a_config_that_is_refused_costs_no_numbers(hub: Hub, repo: Repo) -> None:
    config = json.loads(repo.files()["config.json"])
    repo.commit({"config.json": json.dumps(config | {"plugin": "foreign", "requires": {"gentk-foreign": ">=1"}}).encode()})
    assert "need plugin 'foreign', which is not installed" in refusal("user/tiny")
    repo.commit({"config.json": b"[]"})
    assert "must be an object" in refusal("user/tiny")
    assert not [asked for asked in hub.requests() if "safetensors" in asked]


def test_too_many_files(hub: Hub, client: pytest.MonkeyPatch) -> None:
    client.setattr("gentk.weights.hub.listing.MAX_FILES", 3)
    hub.repo("user/many", {f"{i}.txt": b"" for i in range(4)})
    assert refusal("user/many") == "user/many lists 4 files; at most 3 are looked through"


def test_too_large_for_the_disk(hub: Hub, repo: Repo, client: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = reading.describe("user/tiny")
    hub.requests()
    client.setattr(shutil, "disk_usage", lambda path: Usage(10, 9, 1))
    with pytest.raises(GentkError, match=r"user/tiny needs [\d.]+ (bytes|kB), and 1 bytes are free at .*: make room, or set HF_HUB_CACHE"):
        reading.complete(place)
    assert hub.requests() == []


# ---------------------------------------------------------------- shards
@pytest.fixture
def shards(hub: Hub, tiny: Path, tmp_path: Path) -> Repo:
    folder.save(gentk.load(tiny), tmp_path / "sharded", shard_bytes=500)
    assert len(list((tmp_path / "sharded").glob("model-*.safetensors"))) > 2
    return hub.repo("user/shards", tmp_path / "sharded")


def test_shards(shards: Repo, tiny: Path, client: pytest.MonkeyPatch) -> None:
    shards.commit({"model-00009-of-00009.safetensors": b"left over"})
    assert torch.equal(numbers(gentk.load("user/shards")), numbers(gentk.load(tiny)))
    assert not list(reading.describe("user/shards").glob("*00009*"))
    offline(client)
    assert torch.equal(numbers(gentk.load("user/shards")), numbers(gentk.load(tiny)))


@pytest.mark.parametrize("shard", ["../../etc/passwd", "pytorch_model-00001-of-00002.bin", "model.safetensors", "/etc/passwd"])
def test_an_index_that_points_elsewhere(hub: Hub, shards: Repo, shard: str) -> None:
    index = json.loads(shards.files()["model.safetensors.index.json"])
    index["weight_map"][next(iter(index["weight_map"]))] = shard
    shards.commit({"model.safetensors.index.json": json.dumps(index).encode()})
    assert f"lists '{shard}', which is no shard" in refusal("user/shards")
    assert not [asked for asked in hub.requests() if "model-0" in asked or "passwd" in asked or ".bin" in asked]


def test_a_shard_that_was_never_pushed(shards: Repo) -> None:
    last = max(name for name in shards.files() if name.startswith("model-"))
    shards.commit({}, delete=(last,))
    assert f"lists {last}, which is not there" in refusal("user/shards")
