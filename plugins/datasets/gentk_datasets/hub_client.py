"""The Hub's data sets through the `datasets` library: which commit, which splits, and their rows on this machine's disk.

A whole data set lies where the library keeps it (HF_DATASETS_CACHE); what was streamed lies below the root of our downloads.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gentk.errors import GentkError, UsageError, did_you_mean
from gentk.text import one_line
from gentk.weights.hub.client import client, patient, translated

from . import options
from .store import root

SHA = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"([\w.-]+/)?[\w.-]+", re.ASCII)
_PARTS = ("test", "validation", "valid", "val", "dev")
"""What a split that is not trained on may be called, in the order in which they are taken."""


@dataclass(frozen=True)
class Place:
    """A data set of the Hub at one commit."""

    repo: str
    sha: str

    def __str__(self) -> str:
        return f"hf:{self.repo}"

    @property
    def kept(self) -> Path:
        """Where what was streamed of it lies."""
        return root() / "hf" / self.repo.replace("/", "--") / self.sha

    @property
    def prepared(self) -> dict[str, Path]:
        """The configs that the library has prepared whole, and where."""
        import datasets
        from datasets.naming import camelcase_to_snakecase

        user, slash, name = self.repo.rpartition("/")
        home = Path(datasets.config.HF_DATASETS_CACHE).expanduser() / f"{user}{'___' * bool(slash)}{camelcase_to_snakecase(name)}"
        return {path.parts[-3]: path for path in sorted(home.glob(f"*/*/{self.sha}")) if (path / "dataset_info.json").is_file()}


@dataclass(frozen=True)
class Found:
    """Rows of a data set by split: `train`, and `test` where the Hub has one; `names`: what the Hub calls these."""

    place: Place
    config: str
    names: dict[str, str]
    splits: dict[str, Any]

    @property
    def features(self) -> Any:
        return self.splits["train"].features


def library() -> Any:
    """The `datasets` library, which counts no downloads for us. Raises GentkError where it is missing."""
    try:
        import datasets
    except ImportError:
        raise GentkError("data set hf needs the library datasets: uv pip install 'gentk-datasets[hf]'") from None
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # else the name of each data set is told to a third party
    return datasets


def found(chosen: options.Hub) -> Found:
    """The rows that are asked for, fetched where they are not on this machine.

    Raises UsageError: no such config or split, options that do not go together, a data set that is a script. GentkError: no such data set,
    one that is closed, no network.
    """
    if chosen.streaming != (chosen.examples is not None):
        why = "dataset.options.streaming=true wants dataset.options.examples, how many" if chosen.streaming else (
            "dataset.options.examples wants dataset.options.streaming=true; dataset.examples takes some of a whole data set"
        )
        raise UsageError(f"data set hf:{chosen.repo}: {why}")
    library()
    place = _place(chosen.repo, chosen.revision)
    with contextlib.redirect_stdout(sys.stderr):
        if (here := _here(place, chosen)) is not None:
            return here
        if _offline():
            raise GentkError(f"{_at(place)} is not on this machine, and the client is offline (HF_HUB_OFFLINE): go online once")
        with _told(place):
            return _streamed(place, chosen) if chosen.streaming else _whole(place, chosen)


def _offline() -> bool:
    import datasets
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE or datasets.config.HF_HUB_OFFLINE)


def _at(place: Place) -> str:
    return f"data set {place} at commit {place.sha[:12]}"


# ---------------------------------------------------------------- which commit
def _place(text: str, revision: str) -> Place:
    """`USER/NAME@REVISION` at a commit. A commit in `revision` is what another run found a branch at, and counts more than that."""
    repo, _, named = text.partition("@")
    if not _NAME.fullmatch(repo):
        raise UsageError(f"'{one_line(repo)}' is no name of a data set on the Hub: give hf:USER/NAME")
    if named and revision and named != revision and not SHA.fullmatch(revision):
        both = f"hf:{one_line(text)} and dataset.options.revision = {one_line(revision)}"
        raise UsageError(f"{both} name two revisions: give one")
    wanted = revision or named or "main"
    return Place(repo, wanted if SHA.fullmatch(wanted) else _commit(repo, wanted))


def _commit(repo: str, branch: str) -> str:
    """The commit that a branch or tag is at; offline, where it was last seen."""
    from huggingface_hub import constants, errors, hf_hub_download

    if _offline():
        folder = Path(constants.HF_HUB_CACHE).expanduser() / f"datasets--{repo.replace('/', '--')}"
        with contextlib.suppress(OSError, ValueError):
            if ".." not in branch.split("/") and SHA.fullmatch(sha := (folder / "refs" / branch).read_text("ascii").strip()):
                return sha
        why = "is not on this machine, and the client is offline (HF_HUB_OFFLINE): go online once"
        raise GentkError(f"revision '{one_line(branch)}' of the data set hf:{repo} {why}")
    with translated(f"datasets/{repo}", branch):
        asked = client()
        with contextlib.suppress(errors.EntryNotFoundError):  # this writes down where the branch is, for when the client is offline
            patient(lambda: hf_hub_download(repo, "README.md", repo_type="dataset", revision=branch, endpoint=constants.ENDPOINT))
        sha = str(patient(lambda: asked.dataset_info(repo, revision=branch)).sha)
    if not SHA.fullmatch(sha):
        raise GentkError(f"the Hub's commit of hf:{repo}, '{one_line(sha)}', is none: check HF_ENDPOINT")
    return sha


# ---------------------------------------------------------------- what is on this machine
def _here(place: Place, chosen: options.Hub) -> Found | None:
    """The rows, where they lie on this machine; None where they do not, and where only the Hub knows which are meant."""
    if not _offline() and not (chosen.config and (chosen.train or not chosen.streaming)):
        return None
    if chosen.streaming:
        parts = "*" if _offline() else None
        config = _file(chosen.config) if chosen.config else "*"
        kept = sorted(place.kept.glob(f"{config}/{_part(chosen, chosen.train, chosen.test, parts)}"))
        configs = {folder.parent.name: folder for folder in kept}
    else:
        configs = place.prepared
    if not chosen.config and len(configs) > 1:
        raise UsageError(f"data set {place} has several configs here ({', '.join(configs)}): choose with dataset.options.config")
    config = chosen.config or next(iter(configs), "")
    folder = configs.get(_file(config) if chosen.streaming else config)
    return None if folder is None else _read(place, chosen, config, folder)


def _read(place: Place, chosen: options.Hub, config: str, folder: Path) -> Found:
    """The rows in a folder of ours or the library's. Raises GentkError where it is damaged."""
    import datasets
    from datasets.packaged_modules.cache.cache import Cache

    try:
        if chosen.streaming:
            parts = datasets.load_from_disk(str(folder))
            names = _names(place, chosen, list(parts))
            return Found(place, config, names, {split: parts[name] for split, name in names.items()})
        name, version = place.repo.rpartition("/")[2], folder.parts[-2]
        return _of(Cache(repo_id=place.repo, dataset_name=name, config_name=config, version=version, hash=place.sha), place, chosen, config)
    except GentkError:
        raise
    except Exception as error:
        raise GentkError(f"{_at(place)}: {folder} is damaged ({type(error).__name__}); delete it to fetch it anew") from error


def _of(builder: Any, place: Place, chosen: options.Hub, config: str) -> Found:
    names = _names(place, chosen, list(builder.info.splits))
    return Found(place, config, names, {split: builder.as_dataset(name) for split, name in names.items()})


def _names(place: Place, chosen: options.Hub, known: Sequence[str]) -> dict[str, str]:
    """Which of the Hub's splits are `train` and `test`. Raises UsageError."""
    for asked in filter(None, (chosen.train, chosen.test)):
        if asked not in known:
            raise UsageError(f"data set {place} has no split '{one_line(asked)}'{did_you_mean(asked, known)}")
    if not (train := chosen.train or ("train" if "train" in known else known[0] if len(known) == 1 else "")):
        raise UsageError(f"data set {place} has no split 'train' ({', '.join(map(one_line, known))}): choose with dataset.options.train")
    test = chosen.test or next((name for name in _PARTS if name in known and name != train), "")
    if test == train:
        raise UsageError(f"data set {place}: dataset.options.train and test are both '{train}'; leave test out to have test_share cut off")
    return {"train": train, **({"test": test} if test else {})}


# ---------------------------------------------------------------- fetching
def _whole(place: Place, chosen: options.Hub) -> Found:
    builder = _builder(place, chosen)
    _names(place, chosen, _splits(builder))  # before anything is downloaded
    print(f"downloading {_at(place)} (config {builder.config.name})", file=sys.stderr)
    builder.download_and_prepare()
    return _of(builder, place, chosen, builder.config.name)


def _streamed(place: Place, chosen: options.Hub) -> Found:
    """So many rows of each split, shuffled in a buffer, kept on disk."""
    import datasets

    builder = _builder(place, chosen)
    names, config = _names(place, chosen, _splits(builder)), str(builder.config.name)
    folder = place.kept / _file(config) / _part(chosen, names["train"], names.get("test", ""))
    if folder.is_dir():
        return _read(place, chosen, config, folder)
    print(f"reading {chosen.examples:,} examples of {_at(place)} (config {one_line(config)})", file=sys.stderr)
    parts = datasets.DatasetDict()
    for name in names.values():
        rows = builder.as_streaming_dataset(name)
        features = rows.features
        images = [column for column, feature in (features or {}).items() if isinstance(feature, datasets.Image)]
        rows = rows.decode(False) if images else rows  # files as they are: a JPEG that is encoded again is another image
        rows = rows.shuffle(seed=chosen.seed, buffer_size=chosen.buffer) if chosen.buffer > 1 else rows
        taken = [_whole_images(row, images) for row in islice(iter(rows), chosen.examples)]
        if not taken:
            raise UsageError(f"data set {place}: its split '{name}' has no example")
        parts[name] = datasets.Dataset.from_list(taken, features=features)
    _keep(parts, folder)
    return Found(place, config, names, {split: parts[name] for split, name in names.items()})


def _whole_images(row: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """A row whose images are there as bytes, also where it only says which file each is."""
    from datasets.download.streaming_download_manager import xopen

    for column in columns:
        image = row[column]
        if image and image.get("bytes") is None and image.get("path"):
            with xopen(image["path"], "rb") as file:
                row[column] = {"bytes": file.read(), "path": Path(image["path"]).name}
    return row


def _part(chosen: options.Hub, train: str, test: str, unsaid: str | None = None) -> str:
    """The folder of what was streamed: all that its rows depend on. `unsaid`: what stands for a split that nobody names."""
    parts = [_file(name) if name or unsaid is None else unsaid for name in (train, test)]
    return "+".join([str(chosen.examples), str(chosen.buffer), str(chosen.seed), *parts])


def _file(name: str) -> str:
    """A config's or a split's name as that of a file."""
    return quote(name, safe="")


def _keep(parts: Any, folder: Path) -> None:
    """On disk, whole or not at all."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _quiet():
            parts.save_to_disk(str(temporary))
        if not folder.exists():
            os.replace(temporary, folder)
    except OSError as error:
        raise GentkError(f"cannot write to {folder.parent} ({error.strerror or error}); set GENTK_DATA to a folder of yours") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's progress bars."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _splits(builder: Any) -> list[str]:
    return [str(name) for name in builder.config.data_files or builder.info.splits or ()]


def _builder(place: Place, chosen: options.Hub) -> Any:
    """What reads the data set. Raises UsageError for a config that it does not have."""
    import datasets

    address = f"hf://datasets/{place.repo}"  # a folder of the same name here is not meant
    try:
        builder = datasets.load_dataset_builder(address, chosen.config or None, revision=place.sha)
    except ValueError as error:
        if "onfig" not in str(error):
            raise
        known = [str(name) for name in datasets.get_dataset_config_names(address, revision=place.sha)]
        if chosen.config and chosen.config not in known:
            raise UsageError(f"data set {place} has no config '{one_line(chosen.config)}'{did_you_mean(chosen.config, known)}") from error
        if not chosen.config and len(known) > 1:
            shown = one_line(", ".join(known))
            raise UsageError(f"data set {place} has several configs ({shown}): choose with dataset.options.config") from error
        raise
    if builder.hash != place.sha:  # the library's own way out where the Hub does not answer: any other version that it has
        raise GentkError(f"{_at(place)} could not be read from the Hub: check HF_ENDPOINT and the network")
    return builder


@contextlib.contextmanager
def _told(place: Place) -> Iterator[None]:
    """What the library and its client meet becomes one line."""
    try:
        yield
    except GentkError:
        raise
    except Exception as error:
        said = one_line(error)
        if "scripts are no longer supported" in said:
            remedy = "hf:NAME@refs/convert/parquet is the copy that the Hub makes of many, or look for one in Parquet"
            raise UsageError(f"data set {place} is a script ({said.rpartition(' ')[2]}), which nobody runs any more: {remedy}") from error
        if type(error).__name__ in ("EmptyDatasetError", "DataFilesNotFoundError"):
            raise UsageError(f"{_at(place)} holds no file that the library datasets reads") from error
        with translated(f"datasets/{place.repo}", place.sha):
            raise _cause(error) from error


def _cause(error: BaseException) -> BaseException:
    """The client's own error among those that an error came from; else what stopped the library from preparing the rows."""
    from huggingface_hub import errors

    chain: list[BaseException] = [error]
    while (following := chain[-1].__cause__ or chain[-1].__context__) is not None and following not in chain:
        chain.append(following)
    for one in chain:
        kinds = {kind.__name__ for kind in type(one).__mro__}
        disk = isinstance(one, OSError) and one.errno is not None
        if isinstance(one, (errors.HfHubHTTPError, errors.OfflineModeIsEnabled)) or "TransportError" in kinds or disk:
            return one
    return error.__cause__ or error if type(error).__name__ == "DatasetGenerationError" else error
