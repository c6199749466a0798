"""The process that looks at a plugin: whatever the plugin does with its stdout, there is a report."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gentk.testing.probe import Seen, look

from .planted import installed, make


def seen(site: Path, code: str) -> Seen:
    make(site, [("plugin.py", "from __future__ import annotations\n", f"from __future__ import annotations\n{code}\n")])
    with installed(site):
        return look("tides")


@pytest.mark.parametrize(("code", "printed"), [
    ("import atexit; atexit.register(print, 'goodbye')", "goodbye\n"),
    (r"import sys; sys.stdout.buffer.write(b'\xff\xfe!\n')", "\ufffd\ufffd!\n"),
    (r"import os; os.write(1, b'\x1egentk:{}\n')", "\x1egentk:{}\n"),
    (r"import os; os.write(2, b'\xff\n')", ""),
    ("import atexit, os; atexit.register(os._exit, 3)", ""),
])  # fmt: skip
def test_whatever_is_printed(code: str, printed: str, tmp_path: Path) -> None:
    assert seen(tmp_path, code) == Seen("", [], [], printed)


def test_a_process_that_outlives_it(tmp_path: Path) -> None:
    start = time.monotonic()
    found = seen(tmp_path, "import subprocess; subprocess.Popen(['sleep', '20'])")
    assert time.monotonic() - start < 15
    assert found == Seen("", [], ["starts a process (subprocess.Popen sleep)"], "")


def test_one_that_leaves_without_a_word(tmp_path: Path) -> None:
    found = seen(tmp_path, r"import os; os.write(2, b'gone\xff\n'); os._exit(3)")
    assert found == Seen("the process that imported it ended with exit code 3 gone\ufffd", [], [], "")
