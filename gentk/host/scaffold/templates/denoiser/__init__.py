"""Denoising diffusion of points."""
