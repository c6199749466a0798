"""How much the cache of PixelCNN saves: seconds of 28×28 samples with a whole forward pass for each pixel, and with the cache.

    OMP_NUM_THREADS=1 uv run python benchmarks/pixels.py [-n 16] [--pixels 20]

Both draw from the same noise and must agree. The naive way is timed on some pixels and scaled to all of them.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

from gentk.noise import Philox
from gentk.protocols import DataSpec, Leaf
from gentk_autoregressive.pixel_config import PixelCNNConfig
from gentk_autoregressive.pixelcnn import PixelCNN


def model() -> PixelCNN:
    """The net of the recipe pixelcnn-mnist, with random weights."""
    torch.manual_seed(0)
    data = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 28, 28), range=(-1, 1), levels=2)})
    made = PixelCNN(PixelCNNConfig.model_validate({}), data)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made.eval()


def cached(net: PixelCNN, n: int) -> tuple[Tensor, Tensor]:
    """Tokens (n, 784) and the logits they were drawn from (n, 784, 2)."""
    noise, begun = Philox(0, range(n)), net.begin(n, {})
    logits, cache, length, tokens, all_logits = begun.logits, begun.cache, begun.length, [], []
    for k in range(784):
        all_logits.append(logits)
        tokens.append(noise.categorical(logits))
        if k < 783:
            after, cache = net.next(tokens[-1][:, None], cache, length + k)
            logits = after[:, 0]
    return torch.stack(tokens, 1), torch.stack(all_logits, 1)


def naive(net: PixelCNN, n: int, pixels: int) -> tuple[Tensor, Tensor]:
    """The same for the first pixels, by a whole forward pass each."""
    noise, tokens, all_logits = Philox(0, range(n)), torch.zeros(n, 784, dtype=torch.int64), []
    for k in range(pixels):
        images = tokens.view(n, 1, 28, 28)
        given = net.net(net.read(images), net.tokens.values(images.permute(0, 2, 3, 1)), None)
        all_logits.append(net.law.logits(given, images.permute(0, 2, 3, 1)).view(n, 784, 2)[:, k])
        tokens[:, k] = noise.categorical(all_logits[-1])
    return tokens[:, :pixels], torch.stack(all_logits, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=16, help="samples")
    parser.add_argument("--pixels", type=int, default=20, help="pixels drawn the naive way")
    args = parser.parse_args()
    net = model()
    with torch.no_grad():
        start = time.process_time()
        tokens, logits = cached(net, args.n)
        fast = time.process_time() - start
        start = time.process_time()
        same, wanted = naive(net, args.n, args.pixels)
        slow = (time.process_time() - start) * 784 / args.pixels
    far = float((logits[:, : args.pixels] - wanted).abs().max())
    print(f"{args.n} samples: cached {fast:.2f} s, naive {slow:.1f} s, ratio {slow / fast:.0f}")
    print(f"logits differ by {far:.1e} at most, draws are the same: {bool(torch.equal(tokens[:, : args.pixels], same))}")


if __name__ == "__main__":
    main()
