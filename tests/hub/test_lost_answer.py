"""A commit whose answer never came may have been made: it is not made twice, and not called a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gentk.errors import GentkError
from gentk.weights.push import push

from .handler import Handler
from .server import Hub
from .test_push import folder, me, weights

__all__ = ["folder", "me"]
TOLD = "the Hub's answer was lost: look at {} before pushing again"


class Lossy:
    """The Hub's commits from now on: made or not, and then no proper answer. `status` 0 breaks the connection."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int, made: bool = True) -> None:
        self.status, self.made, self.asked, self.commit = status, made, 0, Handler.commit
        monkeypatch.setattr(Handler, "commit", lambda handler, repo, revision: self.lose(handler, repo, revision))

    def lose(self, handler: Any, repo: Any, revision: str) -> None:
        self.asked += 1
        if self.made:
            handler.json = lambda *args, **settings: None
            self.commit(handler, repo, revision)
            del handler.json
        if self.status:
            handler.error(self.status)


@pytest.mark.parametrize("status", [0, 408, 500, 502, 504])
def test_a_commit_that_landed(hub: Hub, me: Any, folder: Path, waits: list[float], status: int) -> None:
    lossy = Lossy(me, status)
    done = push(folder, "user/roll")
    repo = hub.repos["user/roll"]
    assert lossy.asked == 1 and waits == [] and len(repo.commits) == 2 and done.commit == repo.sha() and done.url == f"{hub.url}/user/roll"
    assert "model.safetensors" in done.files and push(folder, "user/roll").files == ()


@pytest.mark.parametrize("status", [0, 502])
def test_a_commit_that_did_not_land(hub: Hub, me: Any, folder: Path, waits: list[float], status: int) -> None:
    lossy = Lossy(me, status, made=False)
    with pytest.raises(GentkError) as error:
        push(folder, "user/roll")
    assert str(error.value) == TOLD.format(f"{hub.url}/user/roll") and lossy.asked == 1 and waits == []
    assert not (folder / "README.md").exists()


def test_somebody_elses_commit_is_not_taken_for_ours(hub: Hub, me: Any, folder: Path, waits: list[float]) -> None:
    push(folder, "user/roll")
    weights(folder, width=12)
    lossy = Lossy(me, 502, made=False)
    me.setattr(lossy, "lose", lambda handler, repo, revision: (repo.commit({"theirs.txt": b"x"}), handler.error(502)))
    with pytest.raises(GentkError, match="answer was lost"):
        push(folder, "user/roll")


@pytest.mark.parametrize("status", [0, 502, 504])
def test_one_proposal_and_no_more(hub: Hub, me: Any, folder: Path, waits: list[float], status: int) -> None:
    hub.repo("other/roll", {"mine.txt": b"x"})
    lossy = Lossy(me, status)
    with pytest.raises(GentkError) as error:
        push(folder, "other/roll", create_pr=True)
    assert str(error.value) == TOLD.format(f"{hub.url}/other/roll/discussions") and lossy.asked == 1
    assert [name for name in hub.repos["other/roll"].refs if name.startswith("refs/pr/")] == ["refs/pr/1"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_hub_that_has_no_time_is_asked_again(hub: Hub, me: Any, folder: Path, waits: list[float], status: int) -> None:
    hub.fail(status, times=2, path="/commit/", method="POST")
    assert push(folder, "user/roll").files and waits == [1.0, 2.0] and len(hub.repos["user/roll"].commits) == 2


def test_what_comes_before_the_commit_is_asked_for_again(hub: Hub, me: Any, folder: Path, waits: list[float]) -> None:
    hub.fail(502, times=1, path="/preupload/", method="POST")
    assert push(folder, "user/roll").files and waits == [1.0]
