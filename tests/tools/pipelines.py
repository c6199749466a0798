"""Small diffusers pipelines, saved in the layouts that its releases have used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors.torch import load_file, save_file

GOOGLE = {  # google/ddpm-cifar10-32, narrow
    "sample_size": 16, "block_out_channels": (32, 64, 64, 64), "norm_eps": 1e-6, "attention_head_dim": None, "downsample_padding": 0,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"), "flip_sin_to_cos": False, "freq_shift": 1,
}  # fmt: skip
SMALL = {
    "sample_size": 8, "block_out_channels": (32, 64), "layers_per_block": 1, "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
}  # fmt: skip
OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def unet(**config: Any) -> Any:
    """Every parameter anew, norms too, as zeros and ones hide what is not applied."""
    generator = torch.Generator().manual_seed(0)
    made = diffusers.UNet2DModel(**config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.06 + (parameter.ndim == 1) * 0.4)
    return made


def nested(net: Any, scheduler: Any, folder: Path) -> Path:
    diffusers.DDPMPipeline(unet=net, scheduler=scheduler).save_pretrained(folder)
    return folder


def flat(net: Any, scheduler: Any, folder: Path) -> Path:
    net.save_pretrained(folder)
    scheduler.save_pretrained(folder)
    return folder


def old(net: Any, scheduler: Any, folder: Path) -> Path:
    """As the first releases wrote it: attention and scheduler by their former names."""
    flat(net, scheduler, folder)
    tensors = load_file(path := folder / "diffusion_pytorch_model.safetensors")
    renamed = {}
    for name, tensor in tensors.items():
        for new, former in OLD.items():
            name = name.replace(f".{new}.", f".{former}.")
        renamed[name] = tensor
    assert set(renamed) != set(tensors)
    save_file(renamed, path)
    about = json.loads((folder / "scheduler_config.json").read_text())
    about = {"_class_name": "GaussianDDPMScheduler", "timesteps": about["num_train_timesteps"], "tensor_format": "pt", "clip_sample": True}
    (folder / "scheduler_config.json").write_text(json.dumps(about | {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}))
    change(folder / "config.json", down_block_types=["UNetRes" + kind for kind in net.config.down_block_types])
    return folder


def alone(net: Any, scheduler: Any, folder: Path) -> Path:
    net.save_pretrained(folder)
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "model.safetensors")
    return folder


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
