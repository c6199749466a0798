"""Data sets of the Hub: rows are what the Hub's files say, at one commit, and without a network what was fetched is found again."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gentk.cli import run
from gentk.errors import GentkError, UsageError
from gentk.host import lookup
from tests.hub.server import Hub, Repo

datasets = pytest.importorskip("datasets")
CLOTHES = ("shirt", "coat", "bag")


@pytest.fixture
def data(hub: Hub, client: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """The library set to the loopback Hub, its caches empty."""
    client.setattr(datasets.config, "HF_ENDPOINT", hub.url)
    client.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf/datasets")
    client.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    client.setenv("GENTK_DATA", str(tmp_path / "data"))
    datasets.disable_progress_bars()
    yield client
    datasets.enable_progress_bars()


def offline(data: pytest.MonkeyPatch) -> None:
    data.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    data.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def parquet(columns: dict[str, list[Any]], **features: Any) -> bytes:
    known = datasets.Features({name: features[name] for name in columns}) if features else None
    file = io.BytesIO()
    datasets.Dataset.from_dict(columns, features=known).to_parquet(file)
    return file.getvalue()


def pixels(i: int, mode: str = "L") -> Image.Image:
    shape = (12, 12) if mode == "L" else (12, 12, 3)
    return Image.fromarray(np.random.default_rng(i).integers(0, 256, shape, np.uint8), mode)


def clothes(count: int, first: int = 0, mode: str = "L") -> bytes:
    given = {"image": [pixels(first + i, mode) for i in range(count)], "label": [i % 3 for i in range(count)]}
    return parquet(given, image=datasets.Image(), label=datasets.ClassLabel(names=list(CLOTHES)))


def numbers(count: int, first: int = 0) -> bytes:
    return parquet({"x": [first + i + 0.25 for i in range(count)], "kind": ["ab"[i % 2] for i in range(count)]})


@pytest.fixture
def table(hub: Hub, data: pytest.MonkeyPatch) -> Repo:
    return hub.repo("datasets/user/table", {"data/train-00000-of-00001.parquet": numbers(40)})


def made(name: str, split: str = "train", **options: Any) -> Any:
    return lookup.dataset(f"hf:{name}", split, options)


# ---------------------------------------------------------------- what rows are
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_images_are_those_of_the_files_with_the_names_of_their_classes(hub: Hub, data: pytest.MonkeyPatch, mode: str) -> None:
    hub.repo("datasets/user/clothes", {"data/train-0.parquet": clothes(7, mode=mode), "data/test-0.parquet": clothes(4, 100, mode=mode)})
    train, test = made("user/clothes"), made("user/clothes", "test")
    assert (len(train), len(test)) == (7, 4) and train.spec == test.spec
    assert train.spec.conditions["label"].names == CLOTHES and train.spec.frequencies["label"] == [3 / 7, 2 / 7, 2 / 7]
    for i, (one, first) in enumerate([(train, 0)] * 7 + [(test, 100)] * 4):
        i %= 7
        expected = np.asarray(pixels(first + i, mode), np.float32).reshape(12, 12, -1).transpose(2, 0, 1) / 127.5 - 1
        assert np.allclose(one[i]["x"].numpy(), expected, atol=1e-6) and int(one[i]["label"]) == i % 3
    assert train.resolved | {"revision": ""} == {
        "revision": "", "config": "default", "modality": "image", "train": "train", "test": "test",
        "column": "image", "size": 12, "channels": 1 if mode == "L" else 3, "label": "label", "labels": True,
    }  # fmt: skip


def test_images_of_a_folder_on_the_hub_are_resized_and_streamed(hub: Hub, data: pytest.MonkeyPatch) -> None:
    files = {}
    for i in range(12):
        file = io.BytesIO()
        pixels(i, "RGB").save(file, "PNG")
        files[f"train/{CLOTHES[i % 2]}/{i}.png"] = file.getvalue()
    hub.repo("datasets/user/pictures", files)
    whole, some = made("user/pictures", size=8), made("user/pictures", streaming=True, examples=6, test_share=0)
    assert whole.spec.leaves["x"].shape == (3, 8, 8) and sorted(whole.spec.conditions["label"].names) == ["coat", "shirt"]
    known = [torch.from_numpy(np.array(pixels(i, "RGB"))).permute(2, 0, 1) / 127.5 - 1 for i in range(12)]
    assert len(some) == 6 and all(any(torch.allclose(some[i]["x"], one, atol=1e-6) for one in known) for i in range(6))


def test_rows_of_a_table_have_columns_by_what_their_cells_say(hub: Hub, data: pytest.MonkeyPatch) -> None:
    from datetime import date

    given = {"n": [3, None, 5, 4], "x": [0.5, 1.5, None, 2.0], "born": [date(1970, 1, 11 + i) for i in range(4)],
             "old": [True, False, None, True], "name": ["Ann", "Bob", "Ann", "Ann"], "many": [[1], [2], [3], [4]]}  # fmt: skip
    hub.repo("datasets/user/people", {"people.parquet": parquet(given)})
    found = made("user/people", test_share=0)
    assert [(c.name, c.kind, c.missing) for c in found.spec.leaves["x"].columns] == [
        ("n", "integer", True), ("x", "number", True), ("born", "date", False), ("old", "category", True), ("name", "category", False),
    ]  # fmt: skip
    wanted = [[3, 0.5, 10, 1, 0], [np.nan, 1.5, 11, 0, 1], [5, np.nan, 12, np.nan, 0], [4, 2.0, 13, 1, 0]]
    assert np.array_equal(found.batch(range(4))["x"].numpy(), np.array(wanted), equal_nan=True)
    labelled = made("user/people", test_share=0, label="name", columns="n")
    assert labelled.spec.conditions["label"].names == ("Ann", "Bob") and labelled.batch(range(3))["label"].tolist() == [0, 1, 0]


def test_texts_are_windows_or_rows(hub: Hub, data: pytest.MonkeyPatch) -> None:
    said = ["abba", "", "cab\nb", "bac"]
    hub.repo("datasets/user/words", {"train.jsonl": "".join(json.dumps({"text": text, "label": 1}) + "\n" for text in said).encode()})
    windows, rows = made("user/words", length=5, stride=5, test_share=0), made("user/words", lines=True, test_share=0)
    names = windows.spec.leaves["x"].names
    assert names == ("\n", "a", "b", "c")
    assert "".join(names[t] for t in windows.batch(range(len(windows)))["x"].flatten().tolist()) == "abba\ncab\nb\nbac\n"[:15]
    batch = rows.batch(range(3))
    ended = ["".join(names[t] for t in row[:n]) for row, n in zip(batch["x"].tolist(), batch["length"].tolist(), strict=True)]
    assert ended == ["abba\n", "cab\nb\n", "bac\n"]


def test_splits_are_the_hubs_and_else_cut_off(hub: Hub, table: Repo) -> None:
    train, test = made("user/table"), made("user/table", "test")
    assert (len(train), len(test)) == (36, 4)
    assert sorted([*train.x[:, 0].tolist(), *test.x[:, 0].tolist()]) == [i + 0.25 for i in range(40)]
    table.commit({"data/validation-00000-of-00001.parquet": numbers(3, 100), "data/extra-00000-of-00001.parquet": numbers(2, 200)})
    assert made("user/table", "test").x[:, 0].tolist() == [100.25, 101.25, 102.25]
    assert made("user/table").spec == made("user/table", "test").spec and len(made("user/table")) == 40
    table.commit({"data/test-00000-of-00001.parquet": numbers(2, 300)})
    assert made("user/table", "test").x[:, 0].tolist() == [300.25, 301.25]
    assert made("user/table", "test", test="validation").x[0, 0] == 100.25


# ---------------------------------------------------------------- at one commit
def test_a_run_records_the_commit_and_goes_on_with_it(hub: Hub, table: Repo, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first, out = table.sha(), str(tmp_path / "run")
    assert run(["train", "--plugin", "classical", "--model", "copula", "--dataset", "hf:user/table", "--out", out]) == 0
    said = capfd.readouterr().err
    assert said.count("hf:user/table: commit") == 1 and first[:12] in said
    part = tomllib.loads((tmp_path / "run/recipe.toml").read_text())["dataset"]
    assert part["name"] == "hf:user/table" and part["options"]["revision"] == first and part["options"]["train"] == "train"
    table.commit({"data/train-00000-of-00001.parquet": numbers(3, 1000)})
    hub.stop()
    again = lookup.dataset(part["name"], "train", part["options"])
    assert again.x[:, 0].max() < 41 and again.resolved["revision"] == first
    assert run(["train", "--resume", "--out", out]) == 0


def test_a_branch_a_tag_and_a_commit_are_named_behind_an_at(hub: Hub, table: Repo) -> None:
    table.tag("v1")
    first = table.sha()
    table.commit({"data/train-00000-of-00001.parquet": numbers(5, 1000)})
    assert made("user/table").resolved["revision"] != first
    assert {made(name).resolved["revision"] for name in ("user/table@v1", f"user/table@{first}")} == {first}
    assert made("user/table", revision="v1").resolved["revision"] == first
    assert made("user/table@main", revision=first).resolved["revision"] == first  # as a run records it
    with pytest.raises(UsageError, match="name two revisions"):
        made("user/table@main", revision="v1")


def test_a_folder_on_this_machine_is_not_the_data_set(table: Repo, tmp_path: Path, data: pytest.MonkeyPatch) -> None:
    (tmp_path / "user/table").mkdir(parents=True)
    (tmp_path / "user/table/train.csv").write_text("x,kind\n7,a\n8,b\n")
    data.chdir(tmp_path)
    assert made("user/table").x[:, 0].min() < 7


# ---------------------------------------------------------------- streaming
def test_streaming_reads_no_more_than_it_needs_and_keeps_it(hub: Hub, data: pytest.MonkeyPatch) -> None:
    shards = {f"data/train-{i:05d}-of-00040.parquet": numbers(50, 50 * i) for i in range(40)}
    hub.repo("datasets/user/huge", shards)
    how = {"streaming": True, "examples": 30, "buffer": 20, "test_share": 0}
    some = made("user/huge", **how)
    asked = {line for line in hub.requests() if line.startswith("GET") and line.endswith(".parquet")}
    assert len(some) == 30 == len(set(some.x[:, 0].tolist())) and 1 <= len(asked) <= 12  # of 40: ten at a time are shuffled over
    again = made("user/huge", **{**how, **some.resolved})
    assert hub.requests() == [] and torch.equal(some.x, again.x)
    other = made("user/huge", **how, seed=1)
    assert not torch.equal(some.x, other.x)
    offline(data)
    assert torch.equal(made("user/huge", **how).x, some.x)


# ---------------------------------------------------------------- without a network
def test_offline_the_commit_last_seen_is_read_and_no_other(hub: Hub, table: Repo, data: pytest.MonkeyPatch) -> None:
    table.commit({"README.md": b"---\nlicense: mit\n---\n"})
    seen = made("user/table")
    newer = table.commit({"data/train-00000-of-00001.parquet": numbers(5, 1000)})
    hub.requests()
    offline(data)
    assert torch.equal(made("user/table").x, seen.x) and hub.requests() == []
    for options in ({"revision": newer}, {"revision": "v9"}, {"config": "none"}):
        with pytest.raises(GentkError, match="HF_HUB_OFFLINE") as caught:
            made("user/table", **options)
        assert "\n" not in str(caught.value)
    assert hub.requests() == []


def test_without_the_library_one_line_says_how_to_install_it(table: Repo, data: pytest.MonkeyPatch) -> None:
    data.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(GentkError, match=r"uv pip install 'gentk-datasets\[hf\]'"):
        made("user/table")


# ---------------------------------------------------------------- what cannot be read
CONFIGS = b"---\nconfigs:\n- config_name: one\n  data_files: a.csv\n- config_name: two\n  data_files: b.csv\n---\n"
CSV = b"x,y\n1,2\n3,4\n"


def gated(hub: Hub) -> None:
    hub.repo("datasets/user/d", {"a.csv": CSV, "README.md": b"x"}, gated=True)


def holding(**files: bytes) -> Callable[[Hub], None]:
    named = {name.replace("__", "/").replace("_", "."): content for name, content in files.items()}
    return lambda hub: hub.repo("datasets/user/d", named) and None


def busy(hub: Hub) -> None:
    hub.repo("datasets/user/d", {"a.csv": CSV})
    hub.fail(403, path="a.csv")


WRONG: dict[str, tuple[Callable[[Hub], Any], dict[str, Any], str]] = {
    "none": (lambda hub: None, {}, "there is no repository datasets/user/d, or it is private"),
    "private": (lambda hub: hub.repo("datasets/user/d", {"a.csv": CSV}, private=True), {}, "or it is private: `hf auth login`"),
    "gated": (gated, {}, "datasets/user/d is gated: accept its terms at"),
    "stopped": (lambda hub: hub.stop(), {}, "does not answer"),
    "revision": (holding(a_csv=CSV), {"revision": "v7"}, "has no revision 'v7'"),
    "config": (holding(a_csv=CSV, b_csv=CSV, README_md=CONFIGS), {"config": "on"}, "has no config 'on'; did you mean 'one'?"),
    "configs": (holding(a_csv=CSV, b_csv=CSV, README_md=CONFIGS), {}, "several configs (one, two): choose with dataset.options.config"),
    "split": (holding(train_csv=CSV), {"test": "dev"}, "has no split 'dev'; there is: train"),
    "column": (holding(train_csv=CSV), {"column": "z"}, "has no column 'z'; there is: x, y"),
    "label": (holding(train_csv=CSV), {"label": "z"}, "has no column 'z'; there is: x, y"),
    "no image": (holding(train_csv=CSV), {"modality": "image"}, "has no column of images; its columns: x (int64), y (int64)"),
    "script": (holding(d_py=b"raise SystemExit(9)"), {}, "is a script (d.py)"),
    "empty": (holding(a_md=b"x"), {}, "holds no file that the library datasets reads"),
    "broken": (holding(train_parquet=b"PAR1 and nothing"), {}, "datasets/user/d: "),
    "refused": (busy, {}, "may not do this with datasets/user/d"),
    "examples": (holding(a_csv=CSV), {"examples": 3}, "wants dataset.options.streaming=true"),
    "streaming": (holding(a_csv=CSV), {"streaming": True}, "wants dataset.options.examples, how many"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_told_in_one_line(hub: Hub, data: pytest.MonkeyPatch, name: str) -> None:
    make, options, said = WRONG[name]
    make(hub)
    with pytest.raises(GentkError) as caught:
        made("user/d", **options)
    assert said in str(caught.value) and "\n" not in str(caught.value) and "Traceback" not in str(caught.value)


@pytest.mark.parametrize("name", ["a/b/c", "", "../x", "user/d\x1b[31m", "user/name@../../etc"])
def test_a_name_that_is_none_is_refused(data: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(GentkError) as caught:
        made(name)
    assert str(caught.value).isprintable()


def test_a_row_without_its_class_or_image_is_told(hub: Hub, data: pytest.MonkeyPatch) -> None:
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    hidden = parquet({"image": [pixels(0), None], "label": [-1, -1]}, **kinds)
    whole = parquet({"image": [pixels(0), pixels(1)], "label": [0, 1]}, **kinds)
    hub.repo("datasets/user/d", {"train.parquet": whole, "test.parquet": hidden})
    with pytest.raises(UsageError, match=r"row 0 of test has no class in 'label': choose another split with dataset\.options\.test"):
        made("user/d")
    with pytest.raises(GentkError, match="image 1 of 'image' is missing"):
        made("user/d", "test", labels=False)[1]
