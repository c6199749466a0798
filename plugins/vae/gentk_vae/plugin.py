"""What gentk-vae offers. Light: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import ModelSpec, RecipeSpec, hookimpl


def _model(name: str, target: str, config: str, summary: str, paper: str, check: str = "check") -> ModelSpec:
    target, config = f"gentk_vae.{target}", f"gentk_vae.config:{config}"
    return ModelSpec(name, target, config, summary=summary, paper=paper, check=f"recipes/{check}.toml")


@hookimpl
def gentk_models() -> Iterator[ModelSpec]:
    yield _model("vae", "vae:VAE", "VAEConfig", "Variational autoencoder with a likelihood; IWAE", "arXiv:1312.6114")
    yield _model("beta-vae", "vae:BetaVAE", "BetaVAEConfig", "β-VAE: the information in the latents priced", "OpenReview Sy2fzU9gl")
    yield _model("cvae", "vae:CVAE", "VAEConfig", "VAE by class", "NeurIPS 2015, Sohn et al.")
    yield _model("m2", "semi:M2", "M2Config", "Semi-supervised VAE: few labels, many examples", "arXiv:1406.5298")
    yield _model("ae", "autoencoder:AE", "AEConfig", "Plain autoencoder; draws nothing by itself", "Hinton and Salakhutdinov 2006")
    yield _model("wae-mmd", "wae:WAEMMD", "WAEMMDConfig", "Wasserstein autoencoder, latents matched by MMD", "arXiv:1711.01558")
    yield _model("wae-gan", "wae:WAEGAN", "WAEGANConfig", "Wasserstein autoencoder, latents matched by a critic", "arXiv:1711.01558")
    about = "VAE whose error is measured by a discriminator"
    yield _model("vae-gan", "vaegan:VAEGAN", "VAEGANConfig", about, "arXiv:1512.09300", "check-gan")
    about = "Discrete latents; wants a prior of their own to sample"
    yield _model("vq-vae", "vq:VQVAE", "VQVAEConfig", about, "arXiv:1711.00937", "check-vq")


@hookimpl
def gentk_recipes() -> Iterator[RecipeSpec]:
    for name, summary in (
        ("mnist-conv", "Digits, 20 latents, convolutional"),
        ("mnist", "Digits, 2 latents: the classic manifold"),
        ("cvae-mnist", "Digits by class"),
        ("fashion-mnist", "Clothing, grey levels by discretised logistics"),
        ("vq-mnist", "Digits as 7×7 codes of 256"),
        ("ae-mnist", "Digits, a plain autoencoder"),
        ("beta-mnist", "Digits, information in the latents at four times its price"),
        ("m2-mnist", "Digits of which 1,000 have a label"),
        ("wae-mmd-mnist", "Digits, all codes together drawn to the prior by kernels"),
        ("wae-gan-mnist", "Digits, all codes together drawn to the prior by a critic"),
        ("vae-gan-mnist", "Digits, errors measured by a discriminator"),
    ):
        yield RecipeSpec(name, f"recipes/{name}.toml", weights=f"weights/{name}", summary=summary)
