"""A plugin that keeps every promise, with one thing of each kind; the tests break it in one place at a time."""
