"""A cache that cannot be written to, and repositories whose small files are not small."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest

from gentk.errors import GentkError
from gentk.weights.hub import cache, translated
from gentk.weights.hub.listing import _entry


@pytest.fixture
def blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A damaged file of a snapshot, in a cache of its own."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    place = cache.snapshot("user/tiny", "a" * 40)
    place.mkdir(parents=True)
    path = cache.home("user/tiny") / "blobs" / ("b" * 64)
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    (place / "config.json").symlink_to(path)
    return place / "config.json"


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_damaged_file_that_cannot_be_removed(number: int, blob: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlink(path: Path, missing_ok: bool = False) -> None:
        raise OSError(number, "may not", str(path))

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(GentkError) as error:
        cache.check(blob, "user/tiny")
    assert str(error.value) == f"{blob} is damaged, and cannot be removed (may not): delete it, or set HF_HUB_CACHE"
    monkeypatch.undo()
    assert blob.is_file()


def test_a_damaged_file_is_removed(blob: Path) -> None:
    with pytest.raises(GentkError, match="and is removed; run it again"):
        cache.check(blob, "user/tiny")
    assert not blob.is_symlink()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_cache_that_may_only_be_read(number: int) -> None:
    with pytest.raises(GentkError, match=r"^cannot write to /cache/x: may not; HF_HUB_CACHE chooses the cache$"), translated("user/tiny"):
        raise OSError(number, "may not", "/cache/x")


CAPPED = {"README.md": 1, "metrics.json": 1, "config.json": 1, "log.jsonl": 50, "tokenizer.json": 50, "loss.png": 50}
CAPPED |= {"samples/preview.png": 50, "samples/preview.mp4": 50}


@pytest.mark.parametrize(("name", "most"), CAPPED.items())
def test_files_above_what_is_read(name: str, most: int) -> None:
    def listed(size: int) -> int:
        return _entry("user/huge", SimpleNamespace(rfilename=name, size=size, lfs=None, blob_id="a" * 40)).size

    assert listed(most * 1_000_000) == most * 1_000_000
    with pytest.raises(GentkError) as error:
        listed(most * 1_000_000 + 60_000)
    assert str(error.value) == f"{name} of user/huge is {most}.1 MB; at most {most} MB are read"


@pytest.mark.parametrize("name", ["model.safetensors", "data.bin", "samples/preview.exe", "docs/README.md"])
def test_other_files_may_have_any_size(name: str) -> None:
    assert _entry("user/huge", SimpleNamespace(rfilename=name, size=10**12, lfs=None, blob_id="a" * 40)).size == 10**12
