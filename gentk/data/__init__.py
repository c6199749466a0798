"""Data sets of the core, and what is done to their examples."""
