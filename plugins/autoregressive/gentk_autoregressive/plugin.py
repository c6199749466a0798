"""What gentk-autoregressive offers. Light: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import ModelSpec, RecipeSpec, hookimpl


@hookimpl
def gentk_models() -> Iterator[ModelSpec]:
    yield from ()


@hookimpl
def gentk_recipes() -> Iterator[RecipeSpec]:
    yield from ()
