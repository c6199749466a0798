# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-classical", "gentk-ddpm", "gentk-vae", "diffusers>=0.35", "scikit-learn>=1.6", "threadpoolctl"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# gentk-classical = { path = "../plugins/classical", editable = true }
# gentk-vae = { path = "../plugins/vae", editable = true }
# gentk-ddpm = { path = "../plugins/ddpm", editable = true }
# ///
"""What a GPU adds: sampling and training in float32, in bfloat16 and compiled. Does nothing where there is none.

    uv run benchmarks/gpu.py
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
LINES = [
    ["sampling.py", "--device", "cuda", "--batch", "64", "--repeats", "7", "--compile"],
    ["sampling.py", "--device", "cuda", "--batch", "64", "--repeats", "7", "--compile", "--dtype", "bfloat16"],
    ["training.py", "--device", "cuda", "--batch", "256", "--rounds", "50"],
    ["training.py", "--device", "cuda", "--batch", "256", "--rounds", "50", "--compile"],
    ["drawing.py", "--device", "cuda"],
]


def main() -> None:
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device here")
    for name, *options in LINES:
        subprocess.run([sys.executable, str(HERE / name), *options], check=True)


if __name__ == "__main__":
    main()
