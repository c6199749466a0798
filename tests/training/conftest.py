"""Whole runs need models that an installed plugin offers: the stranger's."""

from tests.stranger.conftest import environment, site, stranger

__all__ = ["environment", "site", "stranger"]
