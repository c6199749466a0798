"""gentk plot KIND …"""

from __future__ import annotations

import typer

from . import bounds, clouds, curves, densities, forecasts, latents, looks

ABOUT = "Draw a picture of data, a path, a run or a model."
app = typer.Typer(add_completion=False, rich_markup_mode="rich", no_args_is_help=True, help=ABOUT)
for _function in (
    looks.forward, looks.reverse, looks.paths, clouds.scatter, densities.density, latents.latent, latents.manifold,
    bounds.rate_distortion, forecasts.forecast, forecasts.residuals, curves.data, curves.schedule, curves.loss,
):  # fmt: skip
    app.command()(_function)
