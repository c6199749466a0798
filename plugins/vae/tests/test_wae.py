"""What draws the latents to the prior, and who learns from what."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gentk.protocols import DataSpec, Leaf
from gentk.recipes import TrainingPart
from gentk.training import Trainer
from gentk_vae.config import VAEGANConfig, WAEGANConfig, WAEMMDConfig
from gentk_vae.vaegan import VAEGAN
from gentk_vae.wae import WAEGAN, WAEMMD, mmd

REAL = DataSpec(modality="points", leaves={"x": Leaf(shape=(3,))})
IMAGES = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 8, 8), range=(-1, 1))})
SMALL: dict[str, Any] = {"net": "dense", "widths": (32,), "latent": 2}
SCALES = (0.5, 2.0)


def kernel(a: Tensor, b: Tensor) -> float:
    squares = float((a - b).square().sum())
    return sum(4 * s / (4 * s + squares) for s in SCALES)


def test_mmd_is_the_u_statistic_of_the_paper() -> None:
    z, p = torch.randn(5, 2, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    pairs = [(i, j) for i in range(5) for j in range(5)]
    own = sum(kernel(z[i], z[j]) + kernel(p[i], p[j]) for i, j in pairs if i != j) / 20
    cross = sum(kernel(z[i], p[j]) for i, j in pairs) / 25
    assert float(mmd(z, p, SCALES)) == pytest.approx(own - 2 * cross, rel=1e-6)


def test_mmd_is_nothing_on_average_for_one_law_and_something_for_two() -> None:
    torch.manual_seed(0)
    same = torch.stack([mmd(torch.randn(40, 2), torch.randn(40, 2), SCALES) for _ in range(400)])
    apart = torch.stack([mmd(torch.randn(40, 2) * 0.5, torch.randn(40, 2), SCALES) for _ in range(400)])
    assert abs(float(same.mean())) < 4 * float(same.std()) / 20
    assert float(apart.mean()) > 20 * float(apart.std()) / 20


class Ring:
    spec = REAL

    def __len__(self) -> int:
        return 2000

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        angle = torch.tensor(index * 2.399963)
        return {"x": torch.stack([angle.cos(), angle.sin(), (2 * angle).cos()])}


@pytest.mark.parametrize("kind, config", [(WAEMMD, WAEMMDConfig(**SMALL)), (WAEGAN, WAEGANConfig(**SMALL, critic=(64,)))])
def test_training_moves_the_law_of_the_latents_to_the_prior(kind: Any, config: Any) -> None:
    torch.manual_seed(0)
    trainer = Trainer(kind(config, REAL), Ring(), TrainingPart(steps=500, batch_size=128, lr=3e-3))
    for _ in trainer.rounds():
        pass
    model = trainer.averaged
    x = torch.stack([Ring()[i]["x"] for i in range(1000)])
    with torch.no_grad():
        z = model.encode({"x": x})
        assert float(mmd(z, torch.randn(1000, 2), SCALES)) < 0.1  # of codes that are all alike: above 1
        assert float((model.decode(z, {}) - x).square().sum(1).mean()) < 0.5  # 1.5 is what the mean of the data leaves
    assert float(z.std(0).min()) > 0.5 and float(z.std(0).max()) < 1.5


def test_each_phase_of_the_critic_moves_its_own() -> None:
    torch.manual_seed(0)
    model = WAEGAN(WAEGANConfig(**SMALL), REAL)
    batch = {"x": torch.randn(16, 3)}
    model.loss(batch, "critic", 0)["loss"].backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(p.grad is not None for p in model.critic.parameters())
    assert [phase.trains for phase in model.phases()] == [("critic",), ("encoder", "decoder", "law")]


def test_the_three_parts_of_a_vae_gan_learn_from_their_own_terms() -> None:
    torch.manual_seed(0)
    config = VAEGANConfig(widths=(8, 16), blocks=1, latent=3, discriminator=(8,), gamma=0.0, likelihood="gaussian")
    model = VAEGAN(config, IMAGES)
    batch = {"x": torch.randn(6, 1, 8, 8).tanh()}

    def gradient(phase: str, part: Any, config: VAEGANConfig) -> Tensor:
        model.config = config
        model.zero_grad()
        torch.manual_seed(4)
        model.loss(batch, phase, 0)["loss"].backward()
        return torch.cat([torch.zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in part.parameters()])

    assert gradient("discriminator", model.discriminator, config).abs().sum() > 0
    assert gradient("discriminator", model.decoder, config).abs().sum() == 0  # fakes are given, not made
    without = gradient("decoder", model.decoder, config)
    twice = [gradient("decoder", model.decoder, config.model_copy(update={"gamma": g})) - without for g in (0.1, 0.2)]
    torch.testing.assert_close(2 * twice[0], twice[1], rtol=1e-3, atol=1e-5)
    assert twice[0].abs().sum() > 0
    priced = [gradient("encoder", model.encoder, config.model_copy(update={"beta": b})) for b in (0.0, 1.0, 2.0)]
    torch.testing.assert_close(priced[1] - priced[0], priced[2] - priced[1], rtol=1e-3, atol=1e-5)
    assert (priced[1] - priced[0]).abs().sum() > 0
