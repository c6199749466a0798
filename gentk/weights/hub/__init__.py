"""Weights on the Hub: what a name means there, and its files on this machine, each compared with what the Hub says of it.

Everything goes through `huggingface_hub`, so its cache, tokens and variables (HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN, HF_HUB_CACHE …) mean
here what they mean everywhere. Importing this imports neither the client nor torch.
"""

from .client import client, patient, translated
from .reading import Held, cache_only, complete, describe, fetch_text, fetched, once, repository
from .refusals import Missing, Unreachable
from .searching import Found, search

__all__ = [
    "Found", "Held", "Missing", "Unreachable", "cache_only", "client", "complete", "describe", "fetch_text", "fetched", "once", "patient",
    "repository", "search", "translated",
]  # fmt: skip
