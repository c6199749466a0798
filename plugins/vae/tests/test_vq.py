"""The codebook: what it follows, what it forgets, what passes through it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gentk.errors import UsageError
from gentk.protocols import DataSpec, Leaf
from gentk_vae.config import VQVAEConfig
from gentk_vae.vq import VQVAE, Codebook, perplexity

IMAGES = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 8, 8), range=(-1, 1), levels=256)})
SMALL: dict[str, Any] = {"widths": (8, 16), "blocks": 1, "latent": 4, "codes": 12, "likelihood": "gaussian"}


def images(n: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randn(n, 1, 2, 2, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=8, mode="bilinear").tanh()


def model(**changes: Any) -> VQVAE:
    torch.manual_seed(0)
    made = VQVAE(VQVAEConfig(**{**SMALL, **changes}), IMAGES)
    torch.manual_seed(1)
    with torch.no_grad():
        made.start({"x": images()})
    return made


def test_a_codebook_that_forgets_at_once_is_the_mean_of_what_fell_to_each_code() -> None:
    book = Codebook(3, 2)
    book.place(torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]]))
    h = torch.tensor([[1.0, 1.0], [-1.0, 2.0], [9.0, 1.0], [1.0, 12.0]])
    index = book.nearest(h)
    assert index.tolist() == [0, 0, 1, 2]
    book.follow(book.sums(h, index), decay=0.0, dead=0.0, step=0)
    torch.testing.assert_close(book.codes, torch.tensor([[0.0, 1.5], [9.0, 1.0], [1.0, 12.0]]))


def test_the_averages_are_those_of_the_paper() -> None:
    """N ← γN + (1 − γ)n, m ← γm + (1 − γ)Σh, e = m / N, over two rounds."""
    book = Codebook(1, 1)
    book.place(torch.tensor([[2.0]]))
    count, total = 1.0, 2.0
    for values in ([5.0, 7.0, 9.0], [1.0]):
        h = torch.tensor(values)[:, None]
        book.follow(book.sums(h, torch.zeros(len(h), dtype=torch.int64)), decay=0.9, dead=0.0, step=0)
        count, total = 0.9 * count + 0.1 * len(values), 0.9 * total + 0.1 * sum(values)
    assert float(book.codes) == pytest.approx(total / count)


def test_a_dead_code_comes_to_life_beside_a_much_used_one_and_shares_its_examples() -> None:
    book = Codebook(3, 2)
    book.place(torch.tensor([[0.0, 0.0], [50.0, 50.0], [1.0, 0.0]]))
    generator = torch.Generator().manual_seed(0)
    for step in range(300):
        h = torch.randn(90, 2, generator=generator)
        book.follow(book.sums(h, book.nearest(h)), decay=0.95, dead=0.05, step=step)
    share = book.count / book.count.sum()
    assert float(share.min()) > 0.15 and float(perplexity(book.count)) > 2.7
    assert float(book.codes.norm(dim=1).max()) < 3


def test_what_is_added_up_over_parts_of_a_batch_moves_the_codes_alike() -> None:
    whole, parts, x = model(), model(), images(32)
    whole.after("main", 0, whole.loss({"x": x}, "main", 0)["sums"])
    pieces = [parts.loss({"x": piece}, "main", 0)["sums"] for piece in torch.split(x, 11)]
    parts.after("main", 0, {key: torch.stack([piece[key] for piece in pieces]).sum(0) for key in pieces[0]})
    torch.testing.assert_close(whole.codebook.codes, parts.codebook.codes, rtol=1e-5, atol=1e-6)


def test_the_gradient_passes_the_choice_straight_through_and_the_commitment_pulls_the_encoder() -> None:
    made, x = model(commitment=0.0), images(4)
    h = made.outputs(x).detach().requires_grad_()
    made.outputs = lambda _: h  # type: ignore[method-assign]
    made.loss({"x": x}, "main", 0)["loss"].backward()
    chosen = made.codebook.codes[made.codebook.nearest(h)].clone().requires_grad_()
    (-made.law.log_prob(made.decoder(made.vectors(chosen)), x).mean()).backward()
    assert h.grad is not None and chosen.grad is not None
    torch.testing.assert_close(h.grad, chosen.grad)
    plain = h.grad.clone()
    made.config = VQVAEConfig(**SMALL, commitment=0.25)
    h.grad = None
    made.loss({"x": x}, "main", 0)["loss"].backward()
    torch.testing.assert_close(h.grad - plain, 0.25 * 2 * (h - chosen).detach() / 4, rtol=1e-4, atol=1e-5)


def test_it_starts_where_the_data_are() -> None:
    """Every code is nearest to some output, and none is far from all."""
    made = model()
    h = made.outputs(images())
    assert made.codebook.nearest(h).unique().numel() == 12
    torch.manual_seed(0)
    random = VQVAE(VQVAEConfig(**SMALL), IMAGES)
    random.codebook.place(torch.randn(12, 4))
    error = [float((h - book.codes[book.nearest(h)]).square().sum(1).mean()) for book in (made.codebook, random.codebook)]
    assert error[0] < 0.3 * error[1]


def test_codes_come_back_as_they_were_chosen() -> None:
    made, x = model().eval(), images(5)
    codes = made.encode({"x": x})
    assert codes.shape == (5, *made.latent.shape) == (5, 2, 2) and codes.max() < made.latent.classes
    h = made.outputs(x)
    again = made.law.mean(made.decoder(made.vectors(made.codebook.codes[made.codebook.nearest(h)])))
    torch.testing.assert_close(made.decode(codes, {}), again)


@pytest.mark.parametrize("count, wanted", [([1, 1, 1, 1], 4.0), ([1, 0, 0, 0], 1.0), ([1, 1, 0, 0], 2.0), ([3, 1], 1.7547653506033)])
def test_perplexity_counts_codes(count: list[float], wanted: float) -> None:
    assert float(perplexity(torch.tensor(count, dtype=torch.float64))) == pytest.approx(wanted, rel=1e-9)


def test_more_codes_than_places_to_start_from_is_one_line() -> None:
    with pytest.raises(UsageError, match="lower model"):
        model(codes=5000)


def test_a_revived_code_takes_half_of_its_models_weight_and_leaves_it_where_it_is() -> None:
    book = Codebook(3, 2)
    book.count.copy_(torch.tensor([10.0, 5.0, 0.01]))
    codes = torch.tensor([[1.0, 2.0], [4.0, 0.0], [90.0, 90.0]])
    book.codes.copy_(codes)
    book.total.copy_(book.count[:, None] * codes)
    book.follow({"count": book.count.clone(), "total": book.total.clone()}, decay=0.9, dead=0.05, step=0)
    torch.testing.assert_close(book.count, torch.tensor([5.0, 5.0, 5.0]))
    torch.testing.assert_close(book.codes[:2], codes[:2])
    assert 0 < float((book.codes[2] - codes[0]).norm()) < 5
