"""An endpoint that lies in its headers, or sends other JSON, or without an end: one line, and nothing outside the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from gentk.errors import GentkError
from gentk.weights import hub as reading
from gentk.weights.hub import guard
from gentk.weights.push import push
from tests.hub.loading import refusal
from tests.hub.server import Hub, Repo

pytestmark = pytest.mark.usefixtures("client")

BLOB = "b" * 40
TAGS = (
    '"../../../../evil.pth"', '"/tmp/evil-gentk.pth"', '""', '"."', '".."', '"a/b"', '"\\\\x"', f'"{BLOB.upper()}"', f'"{BLOB} "',
    'W/"../x"',
    f'"{BLOB}.pth"',
    f'"{BLOB}"', f'"{"b" * 64}"', "",
)  # fmt: skip


def everything(tmp_path: Path) -> set[str]:
    return {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file() or p.is_symlink()}


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("header", ["ETag", "X_Linked_ETag"])
def test_a_file_of_another_tag_is_refused_before_it_is_fetched(hub: Hub, repo: Repo, tmp_path: Path, tag: str, header: str) -> None:
    hub.lie("config.json", **{header: tag})
    if not (header == "X_Linked_ETag" and tag == ""):  # an empty one: the client takes the other
        with pytest.raises(GentkError, match="ETag"):
            reading.describe("user/tiny")
        assert not [asked for asked in hub.requests() if asked.startswith("GET") and "config.json" in asked]
        assert not [name for name in everything(tmp_path) if "evil" in name or "config.json" in name]
        assert all(name.startswith("hf/hub/") for name in everything(tmp_path))


def test_a_tag_of_what_lies_elsewhere_is_compared_too(hub: Hub, repo: Repo, tmp_path: Path) -> None:
    hub.lie("model.safetensors", X_Linked_ETag='"../../../../evil.pth"')
    assert "ETag for model.safetensors" in refusal("user/tiny")
    assert not [asked for asked in hub.requests() if "/cdn/" in asked]


@pytest.mark.parametrize("commit", ["../../../../evil", "/tmp/evil-gentk", "", "main", "c" * 40, "a, b"])
@pytest.mark.parametrize("missing", [False, True])
def test_a_file_of_another_commit_is_refused(hub: Hub, repo: Repo, tmp_path: Path, commit: str, missing: bool) -> None:
    if missing:  # the client notes in its cache, under the commit that the answer names, which files are not there
        hub.fail(404, path="config.json", method="HEAD", X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
    else:
        hub.lie("config.json", X_Repo_Commit=commit)
    with pytest.raises(GentkError, match="commit for config"):
        reading.describe("user/tiny")
    assert all(name.startswith("hf/hub/") and "evil" not in name and "no_exist" not in name for name in everything(tmp_path))


@pytest.mark.parametrize(
    "headers",
    [{"X_Xet_Hash": "../../../evil"}, {"X_Xet_Hash": "a" * 64, "X_Xet_Refresh_Route": "http://elsewhere.example/token"}],
)
def test_what_the_other_protocol_is_told_is_compared(hub: Hub, repo: Repo, tmp_path: Path, headers: dict[str, str]) -> None:
    hub.lie("model.safetensors", **headers)
    assert "is not that of its listing" in refusal("user/tiny")


@pytest.mark.parametrize("size", ["-1", "x", "9" * 30, "1e9", "3", "", "../x"])
def test_a_file_of_another_size_is_refused(hub: Hub, repo: Repo, size: str) -> None:
    hub.lie("model.safetensors", X_Linked_Size=size)
    assert "size for model.safetensors" in refusal("user/tiny")
    assert not [asked for asked in hub.requests() if "/cdn/" in asked]


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://x/y", "data:,x", "http://["])
def test_a_redirect_to_no_web_address_is_not_followed(hub: Hub, repo: Repo, place: str) -> None:
    hub.lie("model.safetensors", Location=place)
    assert "which is not followed" in refusal("user/tiny")


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "a\\b", "C:x", "a/../../b", "a\x00b", "a\nb", "a\x1b[31m", "./x", "a//b", "", "x/", "a\u202eb", 7, None, [], {}],
)
def test_a_listing_with_such_a_name_is_refused(hub: Hub, repo: Repo, tmp_path: Path, name: object) -> None:
    import json

    listing = {"id": "user/tiny", "sha": repo.sha(), "siblings": [{"rfilename": name, "size": 3, "blobId": BLOB}]}
    hub.say("/api/models/user/tiny", json.dumps(listing).encode())
    assert refusal("user/tiny").startswith("user/tiny")
    assert everything(tmp_path) == set()


SAID = (
    "7", "[]", "null", '"x"', "{}", '{"id": 7}', '{"id": "a", "sha": 7, "siblings": []}', '{"id": "a", "sha": "../x", "siblings": []}',
    "<html>",
    '{"id": "a", "sha": "SHA", "siblings": 7}', '{"id": "a", "sha": "SHA", "siblings": [7]}', '{"id": "a", "sha": "SHA", "siblings": [{}]}',
    '{"id": "a", "sha": "SHA", "siblings": [{"rfilename": "config.json", "size": "x"}]}',
    '{"id": "a", "sha": "SHA", "siblings": [{"rfilename": "config.json", "size": -1}]}',
    '{"id": "a", "sha": "SHA", "siblings": [{"rfilename": "config.json", "size": 1.5}]}',
    '{"id": "a", "sha": "SHA", "siblings": [{"rfilename": "config.json", "size": 1, "blobId": []}]}',
    '{"id": "a", "sha": "SHA", "siblings": [{"rfilename": "config.json", "size": 1, "blobId": 7}]}',
    '{"id": "a", "sha": "SHA", "siblings": [{"rfilename": "config.json", "size": 1, "lfs": 7}]}',
    '{"id": "a", "sha": "SHA", "siblings": [{"rfilename": "config.json", "size": 1, "lfs": {"sha256": 7, "size": 1}}]}',
    "[" * 100_000,
)  # fmt: skip


@pytest.mark.parametrize("said", SAID)
def test_other_json_in_place_of_a_listing_is_one_line(hub: Hub, repo: Repo, said: str) -> None:
    hub.say("/api/models/user/tiny", said.replace("SHA", repo.sha()).encode())
    line = refusal("user/tiny")
    assert len(line) < 400 and "Error" not in line


FOUND = ("7", "null", '"x"', "{}", "[7]", "[[]]", '[{"tags": 7}]', '[{"downloads": "x"}]', '[{"likes": [1]}]', "[" * 100_000)


@pytest.mark.parametrize("said", FOUND)
def test_other_json_in_place_of_what_is_found_is_one_line(hub: Hub, said: str) -> None:
    hub.say("/api/models", said.encode())
    with pytest.raises(GentkError, match="is no Hub"):
        reading.search("x")


@pytest.mark.parametrize("kind", ["endless", "drip", "slow head"])
@pytest.mark.parametrize("path", ["/api/models/user/tiny", "recipe.toml"])
def test_an_answer_without_an_end_is_given_up(hub: Hub, repo: Repo, monkeypatch: pytest.MonkeyPatch, kind: str, path: str) -> None:
    monkeypatch.setattr(guard, "ANSWER", 200_000)
    monkeypatch.setattr(guard, "SECONDS", 0.3 if kind != "endless" else 60.0)
    hub.hold(kind, path)
    line = refusal("user/tiny")
    assert ("sends more than" if kind == "endless" else "in time") in line


@pytest.mark.parametrize("kind", ["endless", "drip", "slow head"])
def test_a_search_without_an_end_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(guard, "ANSWER", 200_000)
    monkeypatch.setattr(guard, "SECONDS", 0.3 if kind != "endless" else 60.0)
    hub.hold(kind, "/api/models")
    with pytest.raises(GentkError, match=r"sends more than|in time"):
        reading.search("x")


def test_a_small_answer_that_unpacks_to_a_large_one_is_given_up(hub: Hub, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    monkeypatch.setattr(guard, "ANSWER", 200_000)
    hub.lie("/api/models/user/tiny", method="GET", Content_Encoding="gzip")
    hub.say("/api/models/user/tiny", gzip.compress(b" " * 5_000_000))
    assert "sends more than" in refusal("user/tiny")


@pytest.mark.parametrize("said", ["7", "null", "{}", "[]", "<html>", '{"url": 7}', "[" * 100_000])
@pytest.mark.parametrize("path", ["/api/repos/create", "/commit/", "/preupload/"])
def test_other_json_while_pushing_is_one_line(
    hub: Hub, tiny: Path, tmp_path: Path, client: pytest.MonkeyPatch, waits: list[float], path: str, said: str
) -> None:
    import shutil

    client.setenv("HF_TOKEN", "hf_good")
    mine = shutil.copytree(tiny, tmp_path / "mine")
    (mine / "recipe.toml").unlink()
    hub.say(path, said.encode())
    try:
        push(mine, "user/new")
    except GentkError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
        assert "is no Hub" in str(error) or "answer was lost" in str(error) or "no repository" in str(error)


@pytest.mark.parametrize("kind", ["endless", "drip"])
def test_a_push_whose_answer_never_ends_is_given_up(
    hub: Hub, tiny: Path, tmp_path: Path, client: pytest.MonkeyPatch, kind: str
) -> None:
    import shutil

    client.setenv("HF_TOKEN", "hf_good")
    client.setattr(guard, "ANSWER", 200_000)
    client.setattr(guard, "SECONDS", 1.0 if kind == "drip" else 60.0)
    client.setattr(guard, "SLOWEST", 1e9)
    mine = shutil.copytree(tiny, tmp_path / "mine")
    (mine / "recipe.toml").unlink()
    hub.hold(kind, "/commit/", method="POST")
    assert push(mine, "user/new").commit == hub.repos["user/new"].sha()  # looked up, as nobody said it
