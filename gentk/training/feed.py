"""How batches reach a device while the host and the device do something else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from ..protocols import Batch, Dataset
from .gate import AHEAD

SHARE = 4  # data may take one part in so many of a device's free memory


def helper() -> ThreadPoolExecutor:
    """A pool of one thread, in which torch computes without further threads.

    OpenMP makes a team for every thread that computes. Of more teams than cores none stays awake between two operations, and a small
    matrix product of the training itself takes seven times as long.
    """
    threads, pool = torch.get_num_threads(), ThreadPoolExecutor(1, thread_name_prefix="gentk-fetch")
    pool.submit(torch.get_num_threads).result()  # a thread takes the number over when it first asks; then it is the thread's own
    pool.submit(torch.set_num_threads, 1).result()
    torch.set_num_threads(threads)  # but other threads take over the last one that was set
    return pool


def near(dataset: Dataset, device: torch.device) -> Dataset:
    """The data set on the device, where it can be moved and fits: a batch is then gathered there, and only its indices travel."""
    size = getattr(dataset, "nbytes", None)
    if size is None or device.type not in AHEAD or size * SHARE > room(device):
        return dataset
    moved: Dataset = dataset.to(device)  # type: ignore[attr-defined]
    return moved


def room(device: torch.device) -> int:
    """Bytes that are free on the device."""
    return int(torch.cuda.mem_get_info(device)[0])


def pinned(batch: Batch) -> Batch:
    """The batch in memory that a device reads by itself, while the host goes on."""
    return {key: value.pin_memory() if value.device.type == "cpu" else value for key, value in batch.items()}
