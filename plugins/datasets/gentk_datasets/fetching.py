"""One file from the web, whole and as it was known, or one line that says what to do."""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.request
from pathlib import Path

from gentk.errors import GentkError

from .store import PATIENCE, root


def file(name: str, folder: str, url: str, sha256: str) -> Path:
    """The file at `url`, in `folder` below the root of the data; downloaded first where it is missing.

    `name` is that of the data set. Raises GentkError: offline, no permission, or bytes that are not those of `sha256`.
    """
    path = root() / folder / url.rpartition("/")[2]
    if path.is_file():
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise GentkError(f"data set {name}: {path} is not the file that was published; delete it to download anew")
        return path
    print(f"downloading {name} to {path.parent}", file=sys.stderr)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            content = answer.read()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise OSError("what came is not the file that was published")
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except PermissionError as error:
        raise GentkError(
            f"data set {name}: cannot write to {path.parent} ({error.strerror}); set GENTK_DATA to a folder of yours"
        ) from error
    except OSError as error:  # urllib's own are among them
        cause = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise GentkError(
            f"data set {name} is not at {path} and cannot be downloaded ({cause}); go online once, "
            f"or put {url} there (GENTK_DATA, now {root()}, chooses the folder)"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path
