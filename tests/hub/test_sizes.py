"""What lies beside weights may be of any size: a push looks at sizes before it reads or copies anything."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from pathlib import Path

import pytest

import gentk.weights.parcel as parcels
from gentk.errors import GentkError
from gentk.weights.card import front
from gentk.weights.card.facts import TAIL, gather
from gentk.weights.parcel import packed
from tests.hub.server import Hub
from tests.weights.carded import RECIPE

pytestmark = pytest.mark.usefixtures("client")
HUGE = 3_000_000_000  # bytes, none of which takes room on the disk


@pytest.fixture
def mine(tiny: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny, tmp_path / "mine"))
    (folder / "recipe.toml").write_text(RECIPE)
    return folder


@pytest.mark.parametrize("name", ["log.jsonl", "samples/preview.png", "samples/step-000010.png", "tokenizer.json", "loss.png"])
def test_a_huge_file_stays_here_and_is_not_read(hub: Hub, mine: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (mine / "samples/preview.png").unlink()
    (mine / name).touch()
    os.truncate(mine / name, HUGE)
    monkeypatch.setattr(parcels, "drawn", lambda *_: (None, ""))
    sent = "samples/preview.png" if name.startswith("samples") else name
    tracemalloc.start()
    with packed(mine, "user/new", trial=True) as parcel:
        assert sent not in parcel.files and [note for note in parcel.notes if note.startswith(f"{sent} stays here: of more than")]
        assert "preview" not in parcel.card
        assert sum(p.stat().st_size for p in Path(parcel.files["README.md"]).parent.rglob("*")) < 1_000_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000


@pytest.mark.parametrize("name", ["README.md", "metrics.json", "recipe.toml", "config.json"])
def test_a_huge_text_is_refused_in_a_line(hub: Hub, mine: Path, name: str) -> None:
    (mine / name).touch()
    os.truncate(mine / name, HUGE)
    with pytest.raises(GentkError, match=f"{name} is 3000.0 MB; .* has at most") as caught, packed(mine, "user/new", trial=True):
        pass
    assert "\n" not in str(caught.value)


def test_of_a_long_log_the_end_counts(mine: Path) -> None:
    row = '{"step": 7, "validation/nll": 1.5}\n'
    (mine / "log.jsonl").write_text(row + '{"step": 8, "loss": 1}\n' * (TAIL // 10) + row)
    log = gather(mine).log
    assert log[-1] == {"step": 7, "validation/nll": 1.5} and log[0] == {"step": 8, "loss": 1} and len(log) < TAIL // 10


HEADS = {
    "large": "".join(f"k{i}: 1\n" for i in range(60_000)),
    "names": "".join(f"k{i}: 1\n" for i in range(4_000)),
    "values": f"a: [{'1,' * 20_000}1]\n",
    "long": "a: " + "x" * 200_000,
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_head_of_too_much_is_refused_in_a_line(head: str) -> None:
    with pytest.raises(GentkError, match=r"at most 100 kB are read|more than 5000 names and values") as caught:
        front.read(f"---\n{head}\n---\n")
    assert "\n" not in str(caught.value)
