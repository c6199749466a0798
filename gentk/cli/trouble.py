"""Ordinary trouble: what the machine, a file or a terminal does, in one line with what to do. Everything else is a bug."""

from __future__ import annotations

import errno
import re

from ..text import one_line

ADVICE = {
    errno.ENOSPC: "make room there, or choose another place",
    errno.EDQUOT: "make room there, or choose another place",
    errno.EFBIG: "files may not be that large there: choose another place, or raise the limit (ulimit -f)",
    errno.EACCES: "you may not do that there: choose another place, or change its permissions",
    errno.EPERM: "you may not do that there: choose another place, or change its permissions",
    errno.EROFS: "the file system is read-only: choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "that is a folder; name a file",
    errno.ENOENT: "there is no such file or folder",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
    errno.ENFILE: "too many files are open on this machine",
    errno.ENOMEM: "close other programs, or ask for less",
    errno.EIO: "the device has a fault",
    errno.ELOOP: "the links there lead in a circle",
}
MEMORY = "not enough memory: ask for fewer samples, a smaller --batch-size or a smaller model"
_ALLOCATION = re.compile(r"out of memory|alloc_cpu|can't allocate memory|DefaultCPUAllocator|CUDA error: out of memory", re.IGNORECASE)
_CODE = re.compile(r"\(os error (\d+)\)")


def ordinary(error: BaseException) -> str:
    """The line for trouble that is nobody's bug, or the empty string."""
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _ALLOCATION.search(str(error))):
        return MEMORY
    if isinstance(error, OSError):
        return _system(error)
    if type(error).__name__ == "SafetensorError":
        code = _CODE.search(str(error))
        return f"a .safetensors file: {one_line(error)}" + (_advised(int(code.group(1))) if code else "; fetch or save it again")
    if isinstance(error, UnicodeError):
        return f"text that cannot be read or shown: {one_line(error)}; use UTF-8 (PYTHONUTF8=1)"
    return ""


def _system(error: OSError) -> str:
    where = error.filename if error.filename is not None else ""
    place = one_line(where.decode(errors="replace") if isinstance(where, bytes) else where)
    said = error.strerror or one_line(error) or type(error).__name__
    return (f"{place}: " if place else "") + said + (_advised(error.errno) if error.errno else "")


def _advised(code: int) -> str:
    return f"; {ADVICE[code]}" if code in ADVICE else ""
