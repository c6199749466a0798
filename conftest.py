"""What holds for every test: one thread per process, and no way to the network.

The models of the tests are tiny, and threads that wait for each other cost more than they bring.
"""

import os
import sys
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(  # for child processes, which the hook below does not reach
    HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_XET="1", UV_OFFLINE="1"
)
os.environ.pop("COLUMNS", None)  # a pipe has no width
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else every child process compiles torch anew, which takes longer than its test
sys.dont_write_bytecode = False
LOOPBACK = ("127.", "::1", "localhost")


def loopback_only(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: nothing but this machine is connected to, or looked up."""
    if event == "socket.connect" and isinstance(arguments[1], tuple) and not str(arguments[1][0]).startswith(LOOPBACK):
        raise AssertionError(f"a test connects to {arguments[1]}")
    if event == "socket.getaddrinfo" and arguments[0] and not str(arguments[0]).startswith(LOOPBACK):
        raise AssertionError(f"a test looks up {arguments[0]}")


sys.addaudithook(loopback_only)
