"""The table of docs/security.md, row by row: what is wrong with a folder, and what gentk says. Rows 6, 17, 20 are in tests/hub."""

from __future__ import annotations

import json
import pickle
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gentk.cli import run
from gentk.host import lookup
from tests.fakes import GOOD, fake

from .changing import config, header, refused, tensors

ROOT = Path(__file__).parents[2]
BIAS = "net.first.bias"
SHARD = "model-00001-of-00001.safetensors"


def only_a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def weights(content: bytes) -> Callable[[Path], Any]:
    return lambda folder: (folder / "model.safetensors").write_bytes(content)


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-5])


def huge_header(folder: Path) -> None:
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 38_000_000))
        file.truncate(40_000_000)


def twice(folder: Path) -> None:
    entry = b'"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},'
    header(folder, lambda raw: b"{" + entry + entry + raw[1:])


def bias(value: torch.Tensor) -> Callable[[Path], Any]:
    return lambda folder: tensors(folder, lambda t: t.update({BIAS: value}))


def renamed(count: int) -> Callable[[Path], Any]:
    def change(found: dict[str, torch.Tensor]) -> None:
        for name in sorted(found)[:count]:
            found["other." + name] = found.pop(name)

    return lambda folder: tensors(folder, change)


def written(text: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / "config.json").write_text(text)


def changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Any]:
    return lambda folder: config(folder, change)


def indexed(file: str) -> Callable[[Path], Any]:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / SHARD)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {BIAS: file}}))

    return change


def linked(folder: Path) -> None:
    secret = folder.parent / "secret.safetensors"
    (folder / "model.safetensors").rename(secret)
    (folder / "model.safetensors").symlink_to(secret)


NANS = torch.tensor([float("nan"), float("inf"), -float("inf"), 1, 1, 1, 1, 1])
TABLE: list[tuple[str, Callable[[Path], Any], list[str]]] = [
    ("row-01-only-a-pickle", only_a_pickle, ["has no safetensors weights, only pytorch_model.bin; gentk does not load pickle: convert"]),
    ("row-02-pickle-in-disguise", weights(pickle.dumps({"a": 1}) * 100), ["not a safetensors file", "looks like a pickle"]),
    ("row-02-zip-in-disguise", weights(b"PK\x03\x04" + b"\0" * 600), ["not a safetensors file", "looks like a pickle"]),
    ("row-03-lfs-pointer", weights(b"version https://git-lfs.github.com/spec/v1\n"), ["is a Git-LFS pointer", "`git lfs pull`", "again"]),
    ("row-04-web-page", weights(b"<!DOCTYPE html><html>Sign in</html>" * 20), ["looks like a web page", "HF_ENDPOINT", "proxy"]),
    ("row-04-short-web-page", weights(b"<html>"), ["looks like a web page", "HF_ENDPOINT"]),
    ("row-05-truncated", cut, ["is truncated: expected", "bytes, found"]),
    ("row-05-truncated-header", weights(struct.pack("<Q", 5000) + b"{"), ["is truncated: expected 5008 bytes", "found 9"]),
    ("row-05-empty", weights(b""), ["is truncated"]),
    ("row-07-huge-header", huge_header, ["header of 38 MB exceeds 25 MB"]),
    ("row-08-name-twice", twice, ["tensor 'w' appears twice"]),
    ("row-09-shape", bias(torch.zeros(9)), ["weights do not fit the config: net.first.bias is 9, the config wants 8"]),
    ("row-10-missing-and-extra", renamed(7), ["they lack net.", "and 2 more; and they have no place for other.net."]),
    ("row-11-integers", bias(torch.zeros(8, dtype=torch.int64)), ["net.first.bias is I64, the model wants F32"]),
    ("row-11-double", bias(torch.zeros(8, dtype=torch.float64)), ["net.first.bias is F64, the model wants F32"]),
    ("row-12-not-finite", bias(NANS), ["net.first.bias has 3 non-finite values", "not loaded"]),
    ("row-13-parameters", changed(lambda c: (c["config"].update(width=16384, blocks=64), c["data"]["leaves"]["x"].update(shape=[10**8]))),
     ["config.json describes 3.4e+12 parameters (14 TB); the limit is 1e+11"]),
    ("row-14-no-object", written("[1, 2]"), ["config.json must be an object, found list"]),
    ("row-14-no-json", written("{"), ["config.json is not JSON"]),
    ("row-14-nan", written('{"format": NaN}'), ["NaN is no number of JSON"]),
    ("row-14-deep", written("[" * 100_000 + "]" * 100_000), ["nested too deeply"]),
    ("row-14-type", changed(lambda c: c["config"].update(width="4; import os")), ["config.json", "width", "integer", "'4; import os'"]),
    ("row-15-unknown-plugin", changed(lambda c: c.update(plugin="os.path", requires={"gentk-tides": ">=2"})),
     ["weights need plugin 'os.path', which is not installed; there is: "]),
    ("row-18-index-leads-out", indexed("../../etc/passwd"), ["index.json lists '../../etc/passwd', which is no shard"]),
    ("row-18-index-of-pickles", indexed("pytorch_model-00001-of-00001.bin"), [".bin', which is no shard"]),
    ("row-19-link-out", linked, ["model.safetensors points outside the folder, to ", "secret.safetensors"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_refused_with_its_message(change: Callable[[Path], Any], words: list[str], folder: Path) -> None:
    change(folder)
    message = refused(folder)
    assert all(word in message for word in words), message


@pytest.mark.parametrize("command", ["sample", "encode", "reconstruct"])
def test_an_unknown_plugin_on_the_command_line(command: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config(folder, lambda c: c.update(plugin="tides"))
    assert run([command, "--weights", str(folder)]) == 1
    assert "weights need plugin 'tides', which is not installed" in capfd.readouterr().err


@pytest.fixture
def contested(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The weights, and a second distribution that claims the name `ddpm`, first on the path."""
    fake(tmp_path / "site", "evil-ddpm", "ddpm", "raise SystemExit('imported')\n" + GOOD.format(name="evil"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    lookup.configure()
    yield folder
    monkeypatch.undo()
    lookup.configure()


@pytest.mark.parametrize("name", [pytest.param("ddpm", id="row-16-two-distributions-one-plugin")])
def test_two_distributions_of_one_plugin(name: str, contested: Path) -> None:
    assert refused(contested) == f"plugin '{name}' is claimed by evil-ddpm and gentk-ddpm; uninstall one"


HUB = {  # rows that only a Hub can show: the test in tests/hub
    "06": ["test_fetching.py::test_a_flipped_byte_is_found_and_nothing_of_it_stays"],
    "17": ["test_contents.py::test_a_hostile_name_and_nothing_is_fetched"],
    "20": [
        "test_fetching.py::test_private_and_gated_weights_want_a_token", "test_fetching.py::test_offline_with_half_of_it_says_so",
        "test_fetching.py::test_a_silent_hub_is_not_waited_for", "test_fetching.py::test_but_not_for_ever",
        "test_fetching.py::test_other_answers_are_one_line_too",
    ],
    "21": [
        "test_lies.py::test_a_file_of_another_tag_is_refused_before_it_is_fetched",
        "test_lies.py::test_a_file_of_another_commit_is_refused", "test_lies.py::test_a_file_of_another_size_is_refused",
    ],
}  # fmt: skip


def test_every_row_is_in_the_tests_and_on_the_page() -> None:
    """The table has 21 rows. Each is the id of a test here or a test of the Hub, and a line of docs/security.md."""
    rows = [f"{i:02d}" for i in range(1, 22)]
    here = set(re.findall(r"\brow-(\d\d)-\w", Path(__file__).read_text()))
    assert sorted(here | HUB.keys()) == rows and not here & HUB.keys()
    for name in (test for tests in HUB.values() for test in tests):
        file, function = name.split("::")
        assert f"\ndef {function}(" in (ROOT / "tests/hub" / file).read_text(), name
    written = re.findall(r"^\| (\d+) \| .+ \| .+ \|$", (ROOT / "docs/security.md").read_text(), flags=re.M)
    assert [f"{int(number):02d}" for number in written] == rows
