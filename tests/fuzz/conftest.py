"""The tests' stranger is installed here too."""

from tests.stranger.conftest import site, stranger

__all__ = ["site", "stranger"]
