"""Weights that others have published: models of the Hub with the tag `gentk`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import GentkError
from ..files import shown
from .client import client, patient, translated

TAG, PLUGIN = "gentk", "plugin:"


@dataclass(frozen=True)
class Found:
    """One repository. `updated`: the day, as in 2026-03-01; `installed`: whether the plugin that reads the weights is here."""

    name: str
    plugin: str
    installed: bool
    downloads: int
    likes: int
    updated: str


def search(text: str = "", limit: int = 20) -> list[Found]:
    """The most downloaded weights whose name holds `text`; one request. Raises GentkError."""
    from huggingface_hub import constants, get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

    from ...host import lookup

    api = client()
    headers = build_hf_headers(library_name=api.library_name, library_version=api.library_version)
    asked: dict[str, Any] = {"filter": TAG, "sort": "downloads", "limit": limit, **({"search": text} if text else {})}

    def call() -> Any:
        answer = get_session().get(f"{api.endpoint}/api/models", params=asked, headers=headers, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        hf_raise_for_status(answer)
        return answer.json()

    installed = lookup.host().plugins
    with translated(""):
        try:
            listed = patient(call)
            if not isinstance(listed, list):
                raise TypeError
            return [_found(entry, installed) for entry in listed[:limit]]
        except (AttributeError, TypeError, ValueError, OverflowError, RecursionError) as error:  # no JSON, or other JSON
            raise GentkError(f"what answers at {constants.ENDPOINT} is no Hub: check HF_ENDPOINT, or a proxy") from error


def _found(entry: Any, installed: Any) -> Found:
    tags = [str(tag) for tag in entry.get("tags") or []]
    plugin = next((tag.removeprefix(PLUGIN) for tag in tags if tag.startswith(PLUGIN)), "")
    downloads, likes = (int(entry.get(key) or 0) for key in ("downloads", "likes"))
    updated = str(entry.get("lastModified") or entry.get("createdAt") or "")[:10]
    return Found(shown(entry.get("id", "")), shown(plugin), plugin in installed, downloads, likes, shown(updated))
