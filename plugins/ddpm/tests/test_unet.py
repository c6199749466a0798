"""The U-Net against an independent one, on the Hub's best-known configuration, and its own properties."""

import pytest
import torch

from gentk.nets.unet import UNet
from gentk.protocols import DataSpec, Leaf
from gentk_ddpm.config import DDPMConfig
from gentk_ddpm.model import DDPM

CIFAR = DataSpec(modality="image", leaves={"x": Leaf(shape=(3, 32, 32), range=(-1, 1), levels=256)})


def _randomise(module: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05 + (parameter.ndim == 1) * 0.5)


def test_the_default_is_the_network_of_ddpm_cifar10() -> None:
    """Same 328 names, same shapes, and ≤ 1e-5 on outputs, every weight re-randomised (biases and gains too)."""
    from diffusers import UNet2DModel

    theirs = UNet2DModel(
        sample_size=32, in_channels=3, out_channels=3, block_out_channels=(128, 256, 256, 256), layers_per_block=2, norm_eps=1e-6,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=None, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, norm_num_groups=32,
    ).eval()  # fmt: skip
    _randomise(theirs)
    ours = DDPM(DDPMConfig(), CIFAR).eval()
    ours.net.load_state_dict(theirs.state_dict(), strict=True)
    assert len(ours.net.state_dict()) == 328 and sum(p.numel() for p in ours.net.parameters()) == 35_746_307
    x, t = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)), torch.tensor([7, 983])
    with torch.no_grad():
        want, got = theirs(x, t).sample, ours.net(x, t.float())
    assert float((got - want).abs().max() / want.abs().max()) <= 1e-5
    # and the model asks the net for timestep i at t = (i + 1)/1000
    with torch.no_grad():
        asked = ours.denoise(x, (t.double() + 1) / 1000, {}).eps
    assert float((asked - want).abs().max() / want.abs().max()) <= 1e-5


@pytest.mark.parametrize("size", [(1, 28, 28), (3, 17, 23), (2, 5, 64)])
@pytest.mark.parametrize("patch", [1, 2, 4])
def test_any_size_any_channels(size: tuple[int, int, int], patch: int) -> None:
    data = DataSpec(modality="image", leaves={"x": Leaf(shape=size)})
    config = DDPMConfig(channels=(16, 32, 32), layers=1, attention=(False, False, True), groups=8, patch=patch)
    model = DDPM(config, data).eval()
    _randomise(model)
    x = torch.randn(3, *size)
    with torch.no_grad():
        out = model.net(x, torch.tensor([1.0, 2.0, 3.0]))
        alone = model.net(x[1:2], torch.tensor([2.0]))
    assert out.shape == x.shape
    assert torch.allclose(out[1:2], alone, atol=1e-4)  # no row sees another


def test_new_networks_say_nothing() -> None:
    """The last layer starts at zero, so training starts from the target's own variance."""
    with torch.no_grad():
        assert float(UNet(1, patch=2).eval()(torch.randn(2, 1, 28, 28), torch.zeros(2)).abs().max()) == 0


def test_configs_that_cannot_be_built_say_why() -> None:
    for wrong, word in ({"attention": (True,)}, "levels"), ({"channels": (30, 30, 30, 30)}, "groups"), ({"head_dim": 7}, "head_dim"):
        with pytest.raises(ValueError, match=word):
            DDPMConfig(**wrong)  # type: ignore[arg-type]
