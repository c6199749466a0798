"""Checks of a plugin's models."""

from importlib import import_module

for _module in ("contract", "training", "loss", "sampling", "conditioning", "likelihood", "latent", "sequences"):  # the order in which they run
    import_module(f"{__name__}.{_module}")
