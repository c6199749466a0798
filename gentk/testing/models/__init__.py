"""Checks of a plugin's models."""

from importlib import import_module

# In the order in which they run.
for _module in ("contract", "training", "loss", "sampling", "conditioning", "likelihood", "latent", "sequences"):
    import_module(f"{__name__}.{_module}")
