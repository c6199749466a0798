"""What gentk-autoregressive offers. Light: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import ImporterSpec, ModelSpec, RecipeSpec, hookimpl


def _pixels(name: str, target: str, config: str, summary: str, paper: str, check: str) -> ModelSpec:
    target, config = f"gentk_autoregressive.{target}", f"gentk_autoregressive.pixel_config:{config}"
    return ModelSpec(name, target, config, summary=summary, paper=paper, check=f"recipes/{check}.toml")


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
    about = "Transformer over patches, masked net inside each: images with an exact likelihood"
    yield _pixels("patch-ar", "patches:PatchAR", "PatchConfig", about, "", "check-patch")
    about = "Gated PixelCNN: masked convolutions, mixtures of logistics for colours"
    yield _pixels("pixelcnn", "pixelcnn:PixelCNN", "PixelCNNConfig", about, "arXiv:1606.05328", "check-pixelcnn")
    about = "LSTMs that run over an image, by rows or diagonals"
    yield _pixels("pixelrnn", "pixelrnn:PixelRNN", "PixelRNNConfig", about, "arXiv:1601.06759", "check-pixelrnn")
    about = "Masked autoencoder of numbers or codes in any order"
    yield _pixels("made", "made:MADE", "MADEConfig", about, "arXiv:1502.03509", "check-made")


@hookimpl
def gentk_recipes() -> Iterator[RecipeSpec]:
    about = "Digits, patch by patch, exact likelihood"
    yield RecipeSpec("pixels-mnist", "recipes/pixels-mnist.toml", weights="weights/pixels-mnist", summary=about)
    about = "Shakespeare's plays, character by character"
    yield RecipeSpec("shakespeare-char", "recipes/shakespeare-char.toml", weights="weights/shakespeare-char", summary=about)
    about = "A draft for shakespeare-char, a quarter as large"
    yield RecipeSpec("shakespeare-draft", "recipes/shakespeare-draft.toml", weights="weights/shakespeare-draft", summary=about)
    yield RecipeSpec("names", "recipes/names.toml", weights="weights/names", summary="First names, letter by letter")
    yield RecipeSpec("vq-prior", "recipes/vq-prior.toml", weights="weights/vq-prior", summary="Digits as the 7×7 codes of vae/vq-mnist")
    yield RecipeSpec("patch-mnist", "recipes/patch-mnist.toml", weights="weights/patch-mnist", summary="Digits by class, patch by patch")
    about = "Digits, pixel by pixel with gated convolutions"
    yield RecipeSpec("pixelcnn-mnist", "recipes/pixelcnn-mnist.toml", weights="weights/pixelcnn-mnist", summary=about)
    about = "Digits, pixel by pixel with LSTMs along the diagonals"
    yield RecipeSpec("pixelrnn-mnist", "recipes/pixelrnn-mnist.toml", summary=about)
    about = "Digits, one masked dense net"
    yield RecipeSpec("made-mnist", "recipes/made-mnist.toml", weights="weights/made-mnist", summary=about)


@hookimpl
def gentk_importers() -> Iterator[ImporterSpec]:
    place, about = "gentk_autoregressive.hf", "GPT-2, Llama, Qwen2, Qwen3, Mistral checkpoints of transformers"
    yield ImporterSpec("transformers", f"{place}:read", export=f"{place}:write", summary=about)
