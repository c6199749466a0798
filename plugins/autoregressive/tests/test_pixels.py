"""Pixel models: what each number sees, probabilities that sum to one, and the same numbers one by one from caches."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gentk.errors import UsageError
from gentk.noise import Philox
from gentk.protocols import DataSpec, Leaf
from gentk_autoregressive.made import MADE
from gentk_autoregressive.patches import PatchAR
from gentk_autoregressive.pixel_config import MADEConfig, PatchConfig, PixelCNNConfig, PixelRNNConfig
from gentk_autoregressive.pixelcnn import PixelCNN
from gentk_autoregressive.pixelrnn import PixelRNN, RowLSTM


def spec(shape: tuple[int, ...], levels: int = 2, *, classes: int = 0, codes: int = 0) -> DataSpec:
    leaf = Leaf(shape=shape, classes=codes) if codes else Leaf(shape=shape, range=(-1, 1), levels=levels)
    return DataSpec(modality="image", leaves={"x": leaf}, conditions={"label": Leaf(classes=classes)} if classes else {})


def patch(data: DataSpec, **config: Any) -> PatchAR:
    return PatchAR(PatchConfig(**{"patch": 2, "width": 8, "heads": 2, "blocks": 2, "hidden": 3, **config}), data)


def cnn(data: DataSpec, **config: Any) -> PixelCNN:
    return PixelCNN(PixelCNNConfig(**{"width": 4, "layers": 2, "first": 3, "hidden": 6, **config}), data)


def rnn(data: DataSpec, lstm: str = "diagonal", **config: Any) -> PixelRNN:
    return PixelRNN(PixelRNNConfig(**{"lstm": lstm, "width": 3, "layers": 2, "first": 3, "hidden": 6, **config}), data)


def made(data: DataSpec, **config: Any) -> MADE:
    return MADE(MADEConfig(**{"widths": (12, 10), "order": "random", **config}), data)


def alive(model: Any, scale: float = 0.3) -> Any:
    """No weight is 0, as some are before training, so that everything that can be seen is."""
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=scale, generator=generator)
    return model.eval()


MODELS: dict[str, Callable[[], Any]] = {
    "patch": lambda: patch(spec((1, 4, 6), classes=3)),
    "patch of colours": lambda: patch(spec((2, 4, 4), 3)),
    "patch of a mixture": lambda: patch(spec((1, 4, 4), 64), mixture=2),
    "cnn": lambda: cnn(spec((1, 4, 6), classes=3), layers=3, first=5),
    "cnn of colours": lambda: cnn(spec((2, 4, 5), 3), kernel=5),
    "cnn of a mixture": lambda: cnn(spec((3, 3, 3), 256), mixture=3),
    "cnn of codes": lambda: cnn(spec((3, 4), codes=5)),
    "rnn of rows": lambda: rnn(spec((1, 4, 6), classes=3), "row"),
    "rnn of diagonals": lambda: rnn(spec((1, 5, 4), classes=3), first=5),
    "rnn of colours": lambda: rnn(spec((2, 3, 4), 3), "row", layers=3),
    "rnn of a mixture": lambda: rnn(spec((3, 3, 3), 256), mixture=3),
    "rnn of codes": lambda: rnn(spec((3, 4), codes=5)),
    "made": lambda: made(spec((1, 3, 3), 3, classes=3)),
    "made of a mixture": lambda: made(spec((2, 2, 2), 64), mixture=2),
    "made of codes": lambda: made(spec((2, 3), codes=4)),
}
each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def some(model: Any, n: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Tokens (n, L) in the model's order, the same as x, and conditions."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(model.tokens.count, (n, len(model.places)), generator=generator)
    flat = torch.empty_like(tokens)
    flat[:, model.places] = tokens
    x = flat.view(n, *model.data.shape)
    label = {"label": torch.arange(n) % 3} if model.label else {}
    return tokens, x if model.tokens.codes else model.tokens.values(x), label


@each_model
@torch.no_grad()
def test_the_chain_of_conditionals_from_caches_is_log_prob(make: Callable[[], Any]) -> None:
    model = alive(make())
    tokens, x, label = some(model, 3)
    begun = model.begin(3, label)
    after, _ = model.next(tokens, begun.cache, begun.length)
    logits = torch.cat([begun.logits[:, None], after[:, :-1]], 1).double()
    torch.testing.assert_close(logits.exp().sum(-1), torch.ones_like(logits[..., 0]), atol=1e-5, rtol=0)
    chain = logits.gather(2, tokens[..., None])[..., 0].sum(1)
    torch.testing.assert_close(chain, model.log_prob({"x": x, **label}, Philox(0, range(3))).double(), atol=1e-5, rtol=1e-5)


@each_model
@torch.no_grad()
def test_going_back_and_rows_at_different_lengths_change_nothing(make: Callable[[], Any]) -> None:
    """After other tokens were tried, and with each row at another place, the cache says what it said before."""
    model = alive(make())
    tokens, _, label = some(model, 3)
    size = tokens.shape[1]
    begun = model.begin(3, label)
    wanted, cache = model.next(tokens, begun.cache, begun.length)
    length = torch.tensor([1, size // 2, size - 3])
    other = (tokens + 1) % model.tokens.count
    model.next(other[:, :2], cache, length)
    row = torch.arange(3)
    for _ in range(3):
        logits, cache = model.next(tokens[row, length][:, None], cache, length)
        torch.testing.assert_close(logits[:, 0], wanted[row, length], atol=1e-5, rtol=1e-5)
        length = length + 1


@each_model
@torch.no_grad()
def test_a_row_does_not_depend_on_its_neighbours(make: Callable[[], Any]) -> None:
    model = alive(make())
    tokens, x, label = some(model, 3)
    alone = {name: value[1:2] for name, value in label.items()}
    all_rows, one = model.begin(3, label), model.begin(1, alone)
    after, _ = model.next(tokens, all_rows.cache, all_rows.length)
    own, _ = model.next(tokens[1:2], one.cache, one.length)
    torch.testing.assert_close(after[1:2], own, atol=1e-5, rtol=1e-5)
    together = model.log_prob({"x": x, **label}, Philox(0, range(3)))[1:2]
    torch.testing.assert_close(model.log_prob({"x": x[1:2], **alone}, Philox(0, [1])), together, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: patch(spec((1, 2, 4))),
        lambda: patch(spec((1, 2, 2), 3)),
        lambda: cnn(spec((1, 2, 3))),
        lambda: cnn(spec((1, 3, 2))),
        lambda: cnn(spec((1, 2, 2), 3)),
        lambda: cnn(spec((2, 1, 2), 3)),
        lambda: cnn(spec((2, 1, 2), 5), likelihood="mixture", mixture=2),
        lambda: cnn(spec((2, 2), codes=4)),
        lambda: rnn(spec((1, 2, 3)), "row"),
        lambda: rnn(spec((1, 3, 2))),
        lambda: rnn(spec((2, 2), codes=4)),
        lambda: made(spec((1, 2, 3))),
        lambda: made(spec((2, 2), codes=3), order="raster"),
    ],
)
@torch.no_grad()
def test_the_probabilities_of_all_images_sum_to_one(make: Callable[[], Any]) -> None:
    model = alive(make())
    size = len(model.places)
    states = torch.tensor(list(itertools.product(range(model.tokens.count), repeat=size))).view(-1, *model.data.shape)
    x = states if model.tokens.codes else model.tokens.values(states)
    chance = model.log_prob({"x": x}, Philox(0, range(len(x)))).double().exp()
    assert float(chance.sum()) == pytest.approx(1, abs=1e-5)
    assert float(chance.max()) < 0.9  # no model that is sure of everything


def sight(model: Any) -> Tensor:
    """(L, L): how much the parameters of number k (in the model's order) change with number j."""
    tokens, _, _ = some(model, 1)
    size = len(model.places)
    model.double()
    if isinstance(model, PatchAR):
        values = model.tokens.values(tokens).double().view(1, -1, model.net.head.numbers).requires_grad_()
        out = model.net(values, None).reshape(size, -1).sum(1)
        rows = [torch.autograd.grad(o, values, retain_graph=True)[0].flatten() for o in out]
        return torch.stack(rows).abs()
    if isinstance(model, MADE):
        values = model.tokens.values(tokens).double().requires_grad_()
        out = model.net(values, None)[0].sum(1)
        return torch.stack([torch.autograd.grad(o, values, retain_graph=True)[0].flatten() for o in out]).abs()
    values = model.tokens.values(tokens).double().view(1, model.rows, model.columns, model.channels).requires_grad_()
    images = torch.cat([values.permute(0, 3, 1, 2), torch.ones(1, 1, model.rows, model.columns)], 1)
    out = model.net(images, values, None).reshape(size, -1).sum(1)
    return torch.stack([torch.autograd.grad(o, values, retain_graph=True)[0].flatten() for o in out]).abs()


@pytest.mark.parametrize("shape, side", [((1, 6, 8), 2), ((1, 12, 9), 3), ((2, 4, 8), 2)])
def test_patch_ar_sees_every_earlier_number_and_no_later_one(shape: tuple[int, int, int], side: int) -> None:
    seen = sight(alive(patch(spec(shape, 3 if shape[0] > 1 else 2), patch=side), 0.5)) > 0
    earlier = torch.ones_like(seen).tril(-1)
    assert torch.equal(seen, earlier)


def reach(rows: int, columns: int, first: int, kernel: int, layers: int) -> Tensor:
    """Which pixels each one should see, by walking the two stacks of van den Oord et al. 2016b pixel by pixel: (L, L)."""
    a, b, places = first // 2, kernel // 2, list(itertools.product(range(rows), range(columns)))
    v = {(r, c): {(i, j) for i in range(r - a, r) for j in range(c - a, c + a + 1)} for r, c in places}
    h = {(r, c): v[r, c] | {(r, j) for j in range(c - a, c)} for r, c in places}
    out: dict[tuple[int, int], set[tuple[int, int]]] = {p: set() for p in places}
    for _ in range(layers):
        above = {
            (r, c): set().union(*(v.get((i, j), set()) for i in range(r - b, r + 1) for j in range(c - b, c + b + 1))) for r, c in places
        }
        seen = {(r, c): above[r, c].union(*(h.get((r, j), set()) for j in range(c - b, c + 1))) for r, c in places}
        v, h = {p: v[p] | above[p] for p in places}, {p: h[p] | seen[p] for p in places}
        out = {p: out[p] | seen[p] for p in places}
    return torch.tensor([[q in out[p] for q in places] for p in places])


@pytest.mark.parametrize("first, kernel, layers", [(3, 3, 1), (3, 3, 3), (5, 3, 2), (7, 3, 4), (3, 5, 2), (5, 5, 1)])
def test_the_receptive_field_of_pixelcnn_is_that_of_the_two_stacks(first: int, kernel: int, layers: int) -> None:
    seen = sight(alive(cnn(spec((1, 7, 8)), first=first, kernel=kernel, layers=layers, hidden=32))) > 0
    assert torch.equal(seen, reach(7, 8, first, kernel, layers))


def test_within_reach_pixelcnn_has_no_blind_spot() -> None:
    """With enough layers every earlier pixel is seen, and no later one."""
    seen = sight(alive(cnn(spec((1, 5, 5)), layers=6, hidden=32))) > 0
    assert torch.equal(seen, torch.ones_like(seen).tril(-1))


def triangle(rows: int, columns: int, first: int, layers: int) -> Tensor:
    """Which pixels each one should see through layers of Row LSTM (van den Oord et al. 2016a, figure 4 left): (L, L)."""
    a, places = first // 2, list(itertools.product(range(rows), range(columns)))
    x = {(r, c): {(i, j) for i in range(r - a, r) for j in range(c - a, c + a + 1)} | {(r, j) for j in range(c - a, c)} for r, c in places}
    for _ in range(layers):
        state: dict[tuple[int, int], set[tuple[int, int]]] = {}
        for r, c in places:
            before = (state.get((r - 1, j), set()) for j in (c - 1, c, c + 1))
            state[r, c] = x[r, c].union(x.get((r, c - 1), set()), *before)
        x = {p: x[p] | state[p] for p in places}
    return torch.tensor([[q in x[p] for q in places] for p in places])


@pytest.mark.parametrize("first, layers", [(3, 1), (3, 2), (5, 1)])
def test_a_row_lstm_sees_its_triangle(first: int, layers: int) -> None:
    seen = sight(alive(rnn(spec((1, 6, 8)), "row", first=first, layers=layers, hidden=32), 0.5)) > 0
    assert torch.equal(seen, triangle(6, 8, first, layers))
    assert not torch.equal(seen, torch.ones_like(seen).tril(-1))


@pytest.mark.parametrize("shape, layers", [((1, 5, 7), 1), ((1, 7, 4), 2), ((2, 4, 4), 1)])
def test_a_diagonal_bilstm_sees_every_earlier_number_and_no_later_one(shape: tuple[int, int, int], layers: int) -> None:
    seen = sight(alive(rnn(spec(shape, 2 if shape[0] == 1 else 3), layers=layers, hidden=32), 0.5)) > 0
    assert torch.equal(seen, torch.ones_like(seen).tril(-1))


@torch.no_grad()
def test_an_image_one_pixel_wide_is_read_by_an_ordinary_lstm() -> None:
    layer = alive(RowLSTM(3))
    peer = nn.LSTM(6, 3)
    order = torch.cat([torch.arange(3) + 3 * k for k in (2, 1, 3, 0)])  # PyTorch has input, forget, cell, output gates
    peer.weight_ih_l0.copy_(layer.inputs.weight[order, 6:])
    peer.weight_hh_l0.copy_(layer.states[0].weight[order, 3:6])
    peer.bias_ih_l0.copy_(layer.inputs.bias[order])
    peer.bias_hh_l0.zero_()
    x = torch.randn(2, 5, 1, 6, generator=torch.Generator().manual_seed(0))
    wanted = x[:, :, 0] + layer.out(peer(x[:, :, 0].transpose(0, 1))[0].transpose(0, 1))
    torch.testing.assert_close(layer(x, 0.0, x)[:, :, 0], wanted, atol=1e-6, rtol=0)


def test_channels_of_a_pixel_see_the_channels_before_them() -> None:
    seen = sight(alive(cnn(spec((3, 3, 3), 4), layers=4, hidden=32))) > 0
    assert torch.equal(seen, torch.ones_like(seen).tril(-1))


@pytest.mark.parametrize("seed, widths", [(0, (12,)), (5, (40, 3, 20))])
def test_made_sees_every_earlier_number_and_no_later_one(seed: int, widths: tuple[int, ...]) -> None:
    seen = sight(alive(made(spec((1, 3, 4)), seed=seed, widths=widths))) > 0
    assert torch.equal(seen, torch.ones_like(seen).tril(-1))


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: patch(spec((1, 5, 4))), "divisor"),
        (lambda: patch(spec((4, 4), codes=3)), "pixelcnn takes codes"),
        (lambda: cnn(spec((1, 4, 4), 0)), "continuous"),
        (lambda: cnn(spec((4, 4), codes=3), likelihood="mixture"), "categorical"),
        (lambda: cnn(spec((4,))), "images"),
    ],
)
def test_data_that_does_not_fit_is_refused_in_one_line(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        make()
    assert "\n" not in str(error.value)


@torch.no_grad()
def test_a_blend_of_one_class_is_that_class() -> None:
    for make in (MODELS["patch"], MODELS["cnn"]):
        model = alive(make())
        _, x, label = some(model, 3)
        shares = torch.eye(3)[label["label"]]
        blended = model.log_prob({"x": x, "label": shares}, Philox(0, range(3)))
        torch.testing.assert_close(blended, model.log_prob({"x": x, **label}, Philox(0, range(3))))
