"""Tools with which people judge what a model makes. Not collected by pytest; each is run as `python -m tests.tools.NAME`."""
