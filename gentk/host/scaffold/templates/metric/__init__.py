"""A distance between two sets of examples, and what it is measured in."""
