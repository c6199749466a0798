"""Whole runs need models that an installed plugin offers: the stranger's."""

from tests.stranger.conftest import site, stranger

__all__ = ["site", "stranger"]
