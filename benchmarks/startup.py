# /// script
# requires-python = ">=3.11"
# dependencies = ["gentk-core", "gentk-ddpm", "diffusers>=0.35"]
# [tool.uv.sources]
# gentk-core = { path = "..", editable = true }
# gentk-ddpm = { path = "../plugins/ddpm", editable = true }
# ///
"""How long one waits before anything happens: whole processes, in turn.

    uv run benchmarks/startup.py [--repeats 7]
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from interleaved import compare, report

LINES = {
    "gentk --help": "from gentk.cli import main; main(['--help'])",
    "gentk plugins": "from gentk.cli import main; main(['plugins'])",
    "gentk sample --help": "from gentk.cli import main; main(['sample', '--help'])",
    "gentk.load('ddpm')": "import gentk; gentk.load('ddpm')",
    "import torch": "import torch",
    "diffusers pipeline": "from diffusers import DDPMPipeline",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()

    def process(code: str) -> None:
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False, capture_output=True)

    runs = {name: (lambda code=code: process(code)) for name, code in LINES.items()}
    report("start-up", compare(runs, options.repeats), "diffusers pipeline")


if __name__ == "__main__":
    main()
