"""A table like the census that the field tries its tables on: numbers, whole numbers, categories, dates, gaps, and an income to foretell.

    python -m tests.tools.adult_like FILE.csv [--rows 5000] [--seed 0]

The columns hang together: schooling and age make hours, wealth, occupation and income.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

JOBS = ("Clerical", "Craft", "Executive", "Sales", "Specialist")
SCHOOLS = ("Primary", "Secondary", "Bachelor", "Master")
FIRST_DAY = np.datetime64("1990-01-01")


def adult_like(rows: int, seed: int) -> dict[str, NDArray[Any]]:
    """The columns by name, (rows,) each; "" is a gap."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.gamma(6.0, 6.5, rows) + 17, 17, 90).round()
    years = np.clip(rng.normal(11 + 0.03 * (age - 40), 2.5), 4, 18).round()
    school = np.array(SCHOOLS)[np.digitize(years, (8.5, 12.5, 15.5))]
    leaning = np.stack([-0.1 * years, -0.3 * years, 0.05 * age, 0.0 * age, 0.35 * years - 2], 1) + rng.gumbel(size=(rows, len(JOBS)))
    job = np.array(JOBS)[(leaning - leaning.mean(0)).argmax(1)]
    hours = np.clip(rng.normal(36 + 0.5 * (years - 11) + 4 * (job == "Executive"), 7), 5, 80).round()
    wealth = np.exp(rng.normal(6 + 0.15 * years + 0.02 * age, 0.7)).round(2)
    joined = FIRST_DAY + np.maximum(0, (70 - age) * 150 + rng.normal(0, 400, rows)).astype(np.int64)
    score = 0.45 * (years - 11) + 0.05 * (age - 40) + 0.08 * (hours - 38) + 1.2 * (job == "Executive") + 0.6 * np.log(wealth / 3000)
    income = np.where(score + rng.logistic(0, 0.7, rows) > 1.2, ">50K", "<=50K")
    table: dict[str, NDArray[Any]] = {
        "age": age.astype(np.int64).astype(str),
        "school": school,
        "years": years.astype(np.int64).astype(str),
        "job": job,
        "hours": hours.astype(np.int64).astype(str),
        "wealth": np.array([f"{value:.2f}" for value in wealth]),
        "joined": joined.astype(str),
        "income": income,
    }
    for name, share in (("job", 0.05), ("hours", 0.03), ("wealth", 0.08), ("joined", 0.02)):
        table[name] = np.where(rng.random(rows) < share, "", table[name])
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    table = adult_like(given.rows, given.seed)
    lines = [",".join(table), *(",".join(row) for row in zip(*table.values(), strict=True))]
    given.file.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
