"""docs/information.md: its code runs, and each of its numbers is the code's and that of a computation without gentk."""

from __future__ import annotations

import itertools
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy import integrate, optimize, stats

import gentk_classical

PAGE = (Path(__file__).parents[1] / "docs/information.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \| (-?[\d.]+) \| ([\d.]*) ?\|", PAGE, flags=re.M)


def printed(text: str) -> float:
    """Half of the last digit that is shown: what rounding may have taken."""
    return 0.5000001 * 10.0 ** -len(text.partition(".")[2])


@cache
def code() -> dict[str, Any]:
    """The names that the page's code leaves behind. Blocks are what is indented by four spaces."""
    blocks = re.findall(r"(?:^(?: {4}.*)?\n)+", PAGE, flags=re.M)
    names: dict[str, Any] = {}
    exec("\n".join(re.sub(r"^ {4}", "", block, flags=re.M) for block in blocks), names)
    return names


# ---------------------------------------------------------------- the same numbers by other means
COIN, OTHER = stats.bernoulli(0.7), stats.bernoulli(0.9)
TRUE = {"c": 0.5, "s": (0.5, 0.1), "r": (0.2, 0.8), "w": ((0.0, 0.9), (0.9, 0.99))}
"""The lawn of the data set: cloudy; sprinkler given it; rain given it; wet grass given sprinkler and rain."""


def lawn(learned: bool) -> np.ndarray:
    """p(cloudy, sprinkler, rain, wet), (2, 2, 2, 2), state by state: the truth, or the shipped model's tables."""
    if learned:
        tables = load_file(Path(gentk_classical.__file__).parent / "weights/bayes-net/model.safetensors")
        c, s, r, w = (tables[f"table{i}"][..., 1] for i in range(4))
    else:
        c, s, r, w = (np.array(TRUE[name]) for name in "csrw")
    joint = np.zeros((2, 2, 2, 2))
    for states in itertools.product((0, 1), repeat=4):
        chances = (c, s[states[0]], r[states[0]], w[states[1], states[2]])
        joint[states] = np.prod([p if on else 1 - p for p, on in zip(chances, states, strict=True)])
    return joint


def cross(p: np.ndarray, q: np.ndarray) -> float:
    """−Σ p log q over what p can do."""
    return float(-(p[p > 0] * np.log(q[p > 0])).sum())


def expected(density: Any, function: Any) -> float:
    """∫ p(x) f(x) dx by quadrature."""
    centre, width = density.mean(), 12 * density.std()
    return float(integrate.quad(lambda x: density.pdf(x) * function(x), centre - width, centre + width, limit=200)[0])


def relative(p: Any, q: Any) -> float:
    """KL(p ‖ q) of densities, by quadrature."""
    return expected(p, lambda x: p.logpdf(x) - q.logpdf(x))


def tosses(theta: float) -> float:
    return float(stats.bernoulli(theta).logpmf([1] * 7 + [0] * 3).sum())


@cache
def numbers() -> dict[str, float]:
    found = {"information_heads": -np.log2(0.7), "information_tails": -np.log2(0.3)}
    found |= {"entropy_coin": COIN.entropy() / np.log(2), "entropy_fair": stats.bernoulli(0.5).entropy() / np.log(2)}
    found |= {"perplexity_coin": np.exp(COIN.entropy())}
    found |= {"entropy_wide": stats.norm(1, 2).entropy(), "entropy_narrow": stats.norm(0, 0.1).entropy()}
    found |= {"cross_entropy": -(0.7 * OTHER.logpmf(1) + 0.3 * OTHER.logpmf(0)) / np.log(2)}
    found |= {"divergence": stats.entropy([0.3, 0.7], [0.1, 0.9], base=2)}
    true = lawn(False)
    found |= {"cross_entropy_lawn": cross(true, lawn(True)), "divergence_lawn": cross(true, lawn(True)) - cross(true, true)}
    wide, unit = stats.norm(1, 2), stats.norm(0, 1)
    found |= {"there": relative(wide, unit), "there_drawn": relative(wide, unit), "back": relative(unit, wide)}
    best = optimize.minimize_scalar(lambda theta: -tosses(theta), bounds=(0.01, 0.99), method="bounded", options={"xatol": 1e-9}).x
    found |= {"likeliest": best, "likelihood_likeliest": tosses(best), "likelihood_fair": tosses(0.5)}
    found |= {"error": stats.binom(10, 0.7).std() / 10, "careful": stats.beta(1 + 7, 1 + 3).mean()}
    rain = lawn(True)[..., 1].sum((0, 1))  # p(rain, wet = yes)
    after = rain / rain.sum()
    found |= {"log_evidence": np.log(rain.sum()), "elbo_posterior": -cross(after, rain) + stats.entropy(after)}
    found |= {"elbo": 0.5 * np.log(rain).sum() + np.log(2), "gap": stats.entropy([0.5, 0.5], after)}
    q = stats.norm(0.8, 0.6)
    decoded, kl = expected(q, lambda z: stats.norm.logpdf(1.2, z, 0.5)), relative(q, unit)
    evidence = np.log(integrate.quad(lambda z: unit.pdf(z) * stats.norm.pdf(1.2, z, 0.5), -12, 12)[0])
    found |= {"decoded": decoded, "kl_prior": kl, "elbo_vae": decoded - kl, "log_evidence_vae": evidence}
    return {name: float(value) for name, value in found.items()}


def test_every_number_is_there_once_and_is_computed() -> None:
    names = [name for name, _, _ in ROWS]
    assert len(set(names)) == len(names) and set(names) == set(numbers())
    assert len(names) == len(re.findall(r"^\| `", PAGE, flags=re.M))  # no row escapes the pattern


@pytest.mark.parametrize(("name", "value", "spread"), ROWS, ids=[name for name, _, _ in ROWS])
def test_the_number_is_right_and_the_code_of_the_page_gives_it(name: str, value: str, spread: str) -> None:
    assert abs(numbers()[name] - float(value)) <= printed(value), f"{name} is {numbers()[name]:.6f}"
    tolerance = float(spread) if spread else printed(value)
    assert abs(float(code()[name]) - float(value)) <= tolerance, f"the code gives {float(code()[name]):.6f} for {name}"


def test_the_bounds_are_bounds() -> None:
    n = numbers()
    assert n["elbo"] + n["gap"] == pytest.approx(n["log_evidence"]) == pytest.approx(n["elbo_posterior"])
    assert n["elbo_vae"] < n["log_evidence_vae"] and n["likelihood_fair"] < n["likelihood_likeliest"]
    assert n["cross_entropy"] == pytest.approx(n["entropy_coin"] + n["divergence"])
    assert n["cross_entropy_lawn"] >= cross(lawn(False), lawn(False))
