"""Processes that start at once: forked from a server that has imported everything slow, and has no threads yet."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

# torch's optimizers import the last one in their first step, which takes seconds
SLOW = ["tests.training.worker", "tests.training.killed", "gentk.training.run", "matplotlib.figure", "torch._dynamo"]


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A running process: `.join(seconds)`, `.exitcode`, `.kill()`. It has this one's sys.path."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(SLOW)
    process = context.Process(target=target, args=arguments)
    process.start()
    return process
