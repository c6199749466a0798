"""The options of the metrics. Apart from the metrics, so that a command line is checked without torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KIDOptions(_Options):
    """Kernel distance by subsets."""

    subsets: int = Field(100, ge=1, le=100_000, description="Random subsets whose distances are averaged.")
    subset_size: int = Field(1000, ge=2, le=1_000_000, description="Rows of each side in a subset; with fewer rows, all of them once.")


class MMDOptions(_Options):
    """Maximum mean discrepancy."""

    bandwidth: float | None = Field(
        None, gt=0, description="σ of a single Gaussian kernel; none: a sum of five, ¼ … 4 times the median distance of real examples."
    )


class PRDCOptions(_Options):
    """Balls around the rows of a set, as far as a near neighbour."""

    k: int = Field(5, ge=1, le=10_000, description="Which nearest neighbour a ball reaches; published are 3 and 5.")


class SlicedOptions(_Options):
    """Wasserstein distance over directions."""

    projections: int = Field(200, ge=1, le=1_000_000, description="Random directions; the same for every pair of sets.")
