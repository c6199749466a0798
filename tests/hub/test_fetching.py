"""From a repository to files in the cache: one request, one commit, every byte compared; busy, lying and silent servers."""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from email.utils import formatdate
from pathlib import Path

import pytest
import torch

import gentk
from gentk.errors import GentkError
from gentk.weights import folder
from gentk.weights import hub as reading
from gentk.weights.hub import cache, guard
from gentk.weights.hub.reading import _listings
from tests.hub.loading import numbers, offline, refusal
from tests.hub.server import Hub, Repo, blob_id

pytestmark = pytest.mark.usefixtures("client")


def blobs(tmp_path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (tmp_path / "hf/hub/models--user--tiny/blobs").iterdir()}


# ---------------------------------------------------------------- which requests
def test_what_describes_comes_first_and_the_numbers_when_they_are_asked_for(hub: Hub, repo: Repo, tiny: Path) -> None:
    place = reading.describe("user/tiny")
    assert sorted(p.name for p in place.iterdir()) == ["config.json", "recipe.toml"]
    sha = repo.sha()
    small = [f"{verb} /user/tiny/resolve/{sha}/{name}" for name in ("recipe.toml", "config.json") for verb in ("HEAD", "GET")]
    assert hub.requests() == ["GET /api/models/user/tiny", *small]
    assert reading.complete(place) == place
    asked = hub.requests()
    assert asked[0] == f"HEAD /user/tiny/resolve/{sha}/model.safetensors" and asked[1].startswith("GET /cdn/") and len(asked) == 2
    for name in ("config.json", "recipe.toml", "model.safetensors"):
        assert (place / name).read_bytes() == (tiny / name).read_bytes()
    assert len(list(place.iterdir())) == 3  # no card, no code, no pickle


def test_when_all_is_there_a_branch_takes_one_request_and_a_commit_none(hub: Hub, repo: Repo, tiny: Path) -> None:
    wanted = numbers(gentk.load(tiny))
    assert torch.equal(numbers(gentk.load("user/tiny")), wanted)
    hub.requests()
    assert torch.equal(numbers(gentk.load("user/tiny")), wanted)
    assert hub.requests() == ["GET /api/models/user/tiny"]
    assert torch.equal(numbers(gentk.load(f"user/tiny@{repo.sha()}")), wanted)
    assert hub.requests() == []


def move(repo: Repo, tiny: Path, tmp_path: Path) -> torch.Tensor:
    """A new commit with other numbers."""
    other = gentk.load(tiny)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    gentk.save(other, tmp_path / "moved")
    repo.commit({"model.safetensors": (tmp_path / "moved/model.safetensors").read_bytes()})
    return numbers(other)


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_branch_that_moves_changes_nothing_that_was_begun(repo: Repo, tiny: Path, tmp_path: Path, forgotten: bool) -> None:
    first, old = reading.describe("user/tiny"), numbers(gentk.load(tiny))
    new = move(repo, tiny, tmp_path)
    if forgotten:  # another process
        _listings.clear()
    assert torch.equal(numbers(folder.read(first)), old)
    assert torch.equal(numbers(gentk.load("user/tiny@v1")), old)
    assert torch.equal(numbers(gentk.load("user/tiny")), new)


def test_a_folder_that_is_none_of_the_cache_stays_as_it_is(hub: Hub, tiny: Path, tmp_path: Path) -> None:
    alike = tmp_path / "models--user--tiny/snapshots" / ("a" * 40)
    alike.mkdir(parents=True)
    assert reading.complete(alike) == alike and reading.complete(tiny) == tiny and hub.requests() == []


def test_nothing_but_what_was_asked_for_is_sent(hub: Hub, repo: Repo, client: pytest.MonkeyPatch) -> None:
    client.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", False)  # a user who never heard of it
    client.setenv("HF_TOKEN", "hf_good")
    gentk.load("user/tiny")
    reading.search("tiny")
    assert all(asked.agent.startswith("gentk/") and "torch" not in asked.agent for asked in hub.asked)
    assert {asked.token for asked in hub.asked if asked.path.startswith("/cdn")} == {""}  # another origin: never the token
    assert {asked.token for asked in hub.asked if asked.path.startswith("/api")} == {"hf_good"}


# ---------------------------------------------------------------- without the Hub
def test_offline_is_the_cache_and_no_request(hub: Hub, repo: Repo, client: pytest.MonkeyPatch) -> None:
    wanted = numbers(gentk.load("user/tiny@v1"))
    hub.requests()
    offline(client)
    assert torch.equal(numbers(gentk.load("user/tiny@v1")), wanted)
    assert "user/tiny@v2 is not in the cache, and the client is offline" in refusal("user/tiny@v2")
    assert "user/other is not in the cache, and the client is offline" in refusal("user/other")
    assert hub.requests() == []


def test_offline_is_what_was_last_had_whole(repo: Repo, tiny: Path, tmp_path: Path, client: pytest.MonkeyPatch) -> None:
    old = numbers(gentk.load("user/tiny"))
    new = move(repo, tiny, tmp_path)
    reading.describe("user/tiny")  # the new one's config, and no more
    offline(client)
    assert torch.equal(numbers(gentk.load("user/tiny")), old)
    offline(client, False)
    gentk.load("user/tiny")
    offline(client)
    assert torch.equal(numbers(gentk.load("user/tiny")), new)


def test_offline_with_half_of_it_says_so(repo: Repo, client: pytest.MonkeyPatch) -> None:
    reading.describe("user/tiny")
    offline(client)
    assert "the numbers of user/tiny at" in refusal("user/tiny") and "are not in the cache" in refusal("user/tiny")


def test_a_silent_hub_is_not_waited_for(hub: Hub, repo: Repo, waits: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    hub.stop()
    assert f"the Hub at {hub.url} does not answer" in refusal("user/tiny")
    assert waits == []


def test_a_silent_hub_leaves_the_copy(hub: Hub, repo: Repo, waits: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    wanted = numbers(gentk.load("user/tiny"))
    hub.stop()
    assert torch.equal(numbers(gentk.load("user/tiny")), wanted)
    assert f"using the copy of user/tiny at {repo.sha()[:12]} in the cache" in capsys.readouterr().err
    assert "does not answer" in refusal("user/tiny@v1")  # nobody knows that this is the same commit
    assert waits == []


def test_what_is_gone_is_gone(hub: Hub, repo: Repo) -> None:
    gentk.load("user/tiny")
    repo.private = True
    assert "there is no repository user/tiny, or it is private" in refusal("user/tiny")


# ---------------------------------------------------------------- busy
def test_a_busy_hub_is_asked_again(hub: Hub, repo: Repo, waits: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    hub.fail(503, 3, "/api/models")
    gentk.load("user/tiny")
    assert waits == [1, 2, 4] and "the Hub answered 503; trying again in 4 s" in capsys.readouterr().err


def test_it_is_given_the_time_it_asks_for(hub: Hub, repo: Repo, waits: list[float]) -> None:
    hub.fail(429, 2, "/api/models", Retry_After="5")
    gentk.load("user/tiny")
    assert waits == [5, 5]
    hub.fail(429, 1, "/api/models", Retry_After="3600")
    assert "asks to wait 3,600 s" in refusal("user/other") and len(waits) == 2


@pytest.mark.parametrize("part", ["/api/models", "/resolve/", "/model.safetensors"])
@pytest.mark.parametrize(
    "asked",
    [{"Retry_After": "3600"}, {"Retry_After": ""}, {"ratelimit": '"api";r=0;t=3600'}],
    ids=["seconds", "date", "rate limit"],
)
def test_an_hour_is_not_waited_for_wherever_it_is_asked(
    hub: Hub, repo: Repo, waits: list[float], part: str, asked: dict[str, str]
) -> None:
    """The client's own patience with downloads would sleep it through."""
    asked = {key: text or formatdate(time.time() + 3600, usegmt=True) for key, text in asked.items()}
    hub.fail(429, path=part, **asked)
    assert re.search(r"the Hub answered 429, and asks to wait 3,(600|59\d) s: try later", refusal("user/tiny")) and not waits


@pytest.mark.parametrize("said", ["", "soon", "-3", "9" * 400, "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_what_says_nothing_of_time_is_no_wait(said: str) -> None:
    assert guard.asked_to_wait({"Retry-After": said}) in (0.0, float("9" * 400))


def test_a_copy_does_where_it_has_no_time(hub: Hub, repo: Repo, waits: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    gentk.load("user/tiny")
    hub.fail(503)
    gentk.load("user/tiny")
    assert "the Hub answered 503 six times: try later; using the copy of user/tiny at" in capsys.readouterr().err


@pytest.mark.parametrize("status", [502, 503, 504])
def test_but_not_for_ever(hub: Hub, repo: Repo, waits: list[float], status: int) -> None:
    hub.fail(status)
    assert f"the Hub answered {status} six times" in refusal("user/tiny")
    assert len(hub.requests()) == 6 and sum(waits) == 23


def test_a_file_that_the_hub_is_too_busy_for(hub: Hub, repo: Repo, waits: list[float]) -> None:
    hub.fail(503, 3, "/model.safetensors", "HEAD")
    gentk.load("user/tiny@v1")
    hub.repo("user/two", {**repo.files(), "recipe.toml": b"[model]\n"})
    hub.fail(503, path="user/two/resolve")
    assert "the Hub answered 503 six times" in refusal("user/two")


# ---------------------------------------------------------------- broken on the way
def test_a_cut_download_goes_on_where_it_was(hub: Hub, waits: list[float]) -> None:
    content = torch.arange(3_000_000, dtype=torch.float32).numpy().tobytes()
    hub.repo("user/big", {"big.safetensors": content})
    hub.cut("big.safetensors", 11_000_000)
    place = reading.fetched("user/big", None, lambda name: True).folder
    assert (place / "big.safetensors").read_bytes() == content
    assert [asked.range for asked in hub.asked if asked.path.startswith("/cdn")] == ["", "bytes=10485760-"]


def test_a_download_that_is_always_cut_is_one_line(hub: Hub, repo: Repo, waits: list[float], tmp_path: Path) -> None:
    hub.cut("model.safetensors", 10, times=100)
    assert "the connection to the Hub broke off too often" in refusal("user/tiny")
    assert hashlib.sha256(repo.files()["model.safetensors"]).hexdigest() not in blobs(tmp_path)


@pytest.mark.parametrize(("name", "kind"), [("model.safetensors", "sha256"), ("config.json", "git hash"), ("recipe.toml", "git hash")])
def test_a_flipped_byte_is_found_and_nothing_of_it_stays(hub: Hub, repo: Repo, tmp_path: Path, name: str, kind: str) -> None:
    hub.flip(name)
    said = refusal("user/tiny")
    assert said.startswith(f"{kind} of {name} of user/tiny differs from the Hub's") and "run it again" in said
    here = blobs(tmp_path)
    assert all(key in (hashlib.sha256(content).hexdigest(), blob_id(content)) for key, content in here.items())
    assert not (tmp_path / f"hf/hub/models--user--tiny/snapshots/{repo.sha()}/{name}").is_symlink()
    gentk.load("user/tiny")


def test_a_hub_that_lists_no_hashes_is_held_to_those_it_sends(hub: Hub, repo: Repo, client: pytest.MonkeyPatch) -> None:
    client.setattr("tests.hub.handler.Handler.hashes", staticmethod(lambda path, content, git, sha: {}))
    hub.flip("model.safetensors")
    assert "sha256 of model.safetensors of user/tiny differs" in refusal("user/tiny")
    gentk.load("user/tiny")
    client.setattr("gentk.weights.hub.cache.own_name", lambda path: "")
    assert "the Hub gives no hash of recipe.toml of user/tiny" in refusal("user/tiny")


def test_long_downloads_are_told_of(repo: Repo, client: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    client.setattr("gentk.weights.hub.reading.LARGE", len(repo.files()["model.safetensors"]) - 1)  # in place of a megabyte
    client.setattr("gentk.weights.hub.progress.EVERY", 0.0)
    gentk.load("user/tiny")
    said = capsys.readouterr().err
    assert f"of user/tiny at {repo.sha()[:12]}" in said and "model.safetensors: 0.0 of 0.0 MB, 0 s left" in said
    assert "config.json" not in said


@pytest.mark.parametrize("how", ["online", "pinned", "offline"])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_what_was_damaged_on_this_disk_is_found(repo: Repo, client: pytest.MonkeyPatch, how: str, name: str) -> None:
    gentk.load("user/tiny")
    place = reading.describe("user/tiny") / name
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.resolve().write_bytes(content)
    offline(client, how == "offline")
    asked = f"user/tiny@{repo.sha()}" if how == "pinned" else "user/tiny"
    assert f"of {name} of user/tiny differs" in refusal(asked)
    offline(client, False)
    gentk.load(asked)


def test_a_blob_that_repositories_share_goes_with_its_links(repo: Repo, tmp_path: Path) -> None:
    """As the client lays out what came by Xet: the blob of a repository is a link to a store of all repositories."""
    gentk.load("user/tiny")
    place = reading.describe("user/tiny")
    blob, shared = (place / "model.safetensors").resolve(), tmp_path / "hf/hub/blobs/ab/abcd"
    shared.parent.mkdir(parents=True)
    shutil.move(blob, shared)
    blob.symlink_to(Path("../../blobs/ab/abcd"))
    cache.check(place / "model.safetensors", "user/tiny")
    shared.write_bytes(b"x" + shared.read_bytes()[1:])
    with pytest.raises(GentkError, match="differs from the Hub's"):
        cache.check(place / "model.safetensors", "user/tiny")
    assert not shared.exists() and not blob.is_symlink() and not (place / "model.safetensors").is_symlink()


def test_a_link_out_of_the_cache_is_not_followed_to_delete(repo: Repo, tmp_path: Path) -> None:
    gentk.load("user/tiny")
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    path = reading.describe("user/tiny") / "config.json"
    path.unlink()
    path.symlink_to(mine)
    with pytest.raises(GentkError, match="differs"):
        cache.check(path, "user/tiny", "0" * 64)
    assert mine.read_text() == "mine" and not path.is_symlink()


# ---------------------------------------------------------------- who may
def test_private_and_gated_weights_want_a_token(hub: Hub, repo: Repo, client: pytest.MonkeyPatch) -> None:
    repo.private = True
    line = "there is no repository user/tiny, or it is private: `hf auth login`, or set HF_TOKEN"
    assert line in refusal("user/tiny")
    client.setenv("HF_TOKEN", "hf_other")
    assert line in refusal("user/tiny")
    client.setenv("HF_TOKEN", "hf_wrong")
    assert "the Hub does not accept the token" in refusal("user/tiny")
    client.setenv("HF_TOKEN", "hf_good")
    repo.gated = True
    assert refusal("user/tiny") == f"user/tiny is gated: accept its terms at {hub.url}/user/tiny, then `hf auth login`, or set HF_TOKEN"
    repo.admitted.add("hf_good")
    gentk.load("user/tiny")


def test_other_answers_are_one_line_too(hub: Hub, repo: Repo) -> None:
    assert refusal("user/tiny@v9") == "user/tiny has no revision 'v9'"
    hub.fail(403, 1)
    assert "may not do this with user/tiny" in refusal("user/tiny")
    hub.fail(418, 1)
    assert refusal("user/tiny") == "user/tiny: the Hub answered 418"
    hub.fail(200, 1)  # {"error": …}: JSON, but none of a repository
    assert f"what answers at {hub.url} is no Hub" in refusal("user/tiny")


# ---------------------------------------------------------------- text
def test_the_text_of_a_file_as_it_is_now(hub: Hub, repo: Repo, client: pytest.MonkeyPatch) -> None:
    assert reading.fetch_text("user/tiny", "README.md").endswith("Tiny.\n")
    repo.commit({"README.md": "größer\n".encode()})
    assert reading.fetch_text("user/tiny", "README.md") == "größer\n"
    assert reading.fetch_text("user/tiny", "CHANGES.md") == "" == reading.fetch_text("user/new", "README.md")
    hub.stop()
    with pytest.raises(GentkError, match="does not answer"):
        reading.fetch_text("user/tiny", "README.md")
    offline(client)
    with pytest.raises(GentkError, match="the client is offline"):  # not: there is none
        reading.fetch_text("user/tiny", "README.md")
