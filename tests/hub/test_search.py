"""`gentk search`: what others have published."""

from __future__ import annotations

import json

import pytest

from gentk.cli import run
from gentk.errors import GentkError
from gentk.weights.hub import search
from tests.hub.server import Hub

pytestmark = pytest.mark.usefixtures("client")


@pytest.fixture
def published(hub: Hub) -> Hub:
    hub.repo("user/digits", tags=["gentk", "plugin:ddpm"], downloads=5, likes=1)
    hub.repo("other/Moons", tags=["points", "gentk", "plugin:foreign"], downloads=50)
    hub.repo("other/untold", tags=["gentk"], downloads=2)
    hub.repo("other/bert", tags=["transformers"], downloads=10**6)
    hub.repo("user/secret", tags=["gentk", "plugin:ddpm"], downloads=10**6, private=True)
    return hub


def test_what_has_the_tag_the_most_downloaded_first(published: Hub) -> None:
    found = search()
    assert [(row.name, row.plugin, row.installed, row.downloads, row.likes) for row in found] == [
        ("other/Moons", "foreign", False, 50, 0),
        ("user/digits", "ddpm", True, 5, 1),
        ("other/untold", "", False, 2, 0),
    ]
    assert found[0].updated == "2026-03-01"
    assert [row.name for row in search(limit=1)] == ["other/Moons"] and [row.name for row in search("moon")] == ["other/Moons"]
    assert published.requests() == ["GET /api/models"] * 3


def test_a_token_shows_what_is_ones_own(published: Hub, client: pytest.MonkeyPatch) -> None:
    client.setenv("HF_TOKEN", "hf_good")
    assert search()[0].name == "user/secret"


def test_on_the_command_line(published: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["name", "plugin", "installed", "downloads", "likes", "updated"]
    assert lines[1] == ["other/Moons", "foreign", "no", "50", "0", "2026-03-01"] and lines[2][:3] == ["user/digits", "ddpm", "yes"]
    assert run(["search", "nothing", "like", "it"]) == 2
    assert run(["search", "zzz"]) == 0
    assert capsys.readouterr().out.strip() == "no weights on the Hub have 'zzz' in their name"
    assert run(["search", "digits", "--json"]) == 0
    assert [row["installed"] for row in json.loads(capsys.readouterr().out)] == [True]


def test_what_strangers_write_moves_no_cursor(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.repo("user/\x1b[2Jx", tags=["gentk", "plugin:[red]\x1b]0;owned\x07"])
    assert run(["search"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said and "\x07" not in said and "[red]" in said and "owned" in said


def test_what_goes_wrong(hub: Hub, waits: list[float], client: pytest.MonkeyPatch) -> None:
    hub.fail(503, 3)
    assert search() == [] and waits == [1, 2, 4]
    hub.fail(503, 6)
    with pytest.raises(GentkError, match="answered 503 six times"):
        search()
    client.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(GentkError, match="the client is offline"):
        search()
    client.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    waits.clear()
    hub.stop()
    with pytest.raises(GentkError, match="does not answer"):
        search()
    assert waits == []
