"""What gentk-autoregressive offers. Light: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import ImporterSpec, ModelSpec, RecipeSpec, hookimpl


@hookimpl
def gentk_models() -> Iterator[ModelSpec]:
    yield ModelSpec(
        "gpt",
        "gentk_autoregressive.gpt:GPT",
        config="gentk_autoregressive.config:GPTConfig",
        summary="Decoder-only transformer of text, codes or pixels, optionally by class",
        paper="Radford et al. 2018",
        check="recipes/check-gpt.toml",
    )


@hookimpl
def gentk_recipes() -> Iterator[RecipeSpec]:
    yield RecipeSpec("shakespeare-char", "recipes/shakespeare-char.toml", summary="Shakespeare's plays, character by character")
    yield RecipeSpec("names", "recipes/names.toml", summary="First names, letter by letter")
    yield RecipeSpec("vq-prior", "recipes/vq-prior.toml", summary="Digits as the 7×7 codes of vae/vq-mnist")


@hookimpl
def gentk_importers() -> Iterator[ImporterSpec]:
    place, about = "gentk_autoregressive.hf", "GPT-2, Llama, Qwen2, Qwen3, Mistral checkpoints of transformers"
    yield ImporterSpec("transformers", f"{place}:read", export=f"{place}:write", summary=about)
