"""The models' configurations. Apart from the models, so that a recipe is checked without torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

OF_DATA: Any = {"of_data": True}  # a recipe's value for its own data: it gives way where the data set is another


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GMMConfig(_Config):
    """A mixture of Gaussians."""

    components: int = Field(8, ge=1, le=65_536, description="Gaussians; with per_class, in each class.")
    covariance: Literal["full", "diag", "spherical"] = Field("full", description="Any ellipsoid, one along the axes, or a ball.")
    per_class: bool = Field(False, description="A mixture for each class of the condition label.")
    estimate: Literal["ml", "map"] = Field("ml", description="Maximum likelihood, or the mode under a conjugate prior.")
    prior_alpha: float = Field(2.0, ge=1, description="map: Dirichlet concentration of the weights; 1 is flat.")
    prior_kappa: float = Field(0.01, gt=0, description="map: how many examples the prior mean counts for.")
    prior_nu: float | None = Field(None, gt=0, description="map: the prior covariance's degrees of freedom; none: numbers per example + 2.")
    covariance_floor: float = Field(1e-6, ge=0, description="Added to every variance, in the data's units squared.")
    smoothing: float = Field(0.1, ge=0, description="Of a table: added to every count of a category's state.")
    n_init: int = Field(3, ge=1, le=1000, description="k-means++ starts, of which the likeliest is kept.")
    start_size: int = Field(10_000, ge=1, description="Examples that the starts see.")
    passes: int = Field(100, ge=1, description="At most; training.tolerance ends the fit before.")
    compute: Literal["float64", "float32"] = Field("float64", description="Of the fit, chunk by chunk; the sums over chunks are float64.")


class NaiveBayesConfig(_Config):
    """Independent numbers given the class."""

    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"
    var_smoothing: float = Field(
        1e-9,
        ge=0,
        description="gaussian: added to every variance, as a share of the largest one of all data.",
        json_schema_extra=OF_DATA,
    )
    alpha: float = Field(1.0, gt=0, description="bernoulli: pseudo-counts of each of the two values.")


class KDEConfig(_Config):
    """A kernel on every example."""

    points: int = Field(
        4096, ge=2, le=10_000_000, description="Examples kept, at most: each carries a kernel.", json_schema_extra=OF_DATA
    )
    bandwidth: Literal["scott", "silverman", "cv"] | Annotated[float, Field(gt=0)] = Field(
        "scott", description="The kernel's deviation as a share of the data's: a rule, a number, or by leave-one-out likelihood."
    )
    covariance: Literal["full", "isotropic"] = Field(
        "full", description="The kernel has the data's shape, or is a ball; of a table, whose numbers come by their deviations, a product."
    )
    category_bandwidth: Literal["rule"] | Annotated[float, Field(gt=0, le=1)] = Field(
        "rule", description="Of a table: a category's λ as a share of that at which all states are alike; rule: the bandwidth squared."
    )


class CopulaConfig(_Config):
    """Columns of any law, joined by a Gaussian."""

    quantiles: int = Field(1000, ge=2, le=100_000, description="Of each number: how many of its values are kept.")
    per_class: bool | None = Field(None, description="A copula for each class of the condition label; none: where there are labels.")
    rows: int = Field(100_000, ge=2, description="Examples that the fit sees, at most.")


class HMMConfig(_Config):
    """A hidden Markov chain."""

    states: int = Field(8, ge=1, le=1000)
    emission: Literal["auto", "gaussian", "categorical"] = Field("auto", description="auto: categorical where the data are tokens.")
    covariance: Literal["full", "diag", "spherical"] = Field("full", description="gaussian: the covariances of the states.")
    floor: float = Field(1e-6, ge=0, description="gaussian: the least variance in any direction, in the data's units squared.")
    smoothing: float = Field(0.0, ge=0, description="Added to every expected count: of first states, transitions, tokens.")
    starts: int = Field(1, ge=1, le=100, description="Beginnings, of which the one that is best after twenty passes is fitted.")
    passes: int = Field(100, ge=1, description="Passes of expectation and maximisation, at most.")
    arithmetic: Literal["scaled", "log"] = Field("scaled", description="scaled is fast, and log what it falls back to by itself.")
    stop: str | None = Field(
        None,
        description="categorical: the token that ends an example, by name; none: lengths are drawn as seen.",
        json_schema_extra=OF_DATA,
    )


class MarkovConfig(_Config):
    """A Markov chain of any order."""

    order: int = Field(1, ge=1, le=12, description="How many tokens back a token depends on.")
    alpha: float = Field(0.1, ge=0, description="Weight, in tokens, of the next lower order's law in each law; 0: plain shares.")
    contexts: int = Field(10_000, ge=1, description="Contexts kept, the most frequent; what follows any other is told by a shorter one.")
    stop: str | None = Field(
        None, description="The token that ends a text, by name; none: texts are as long as the data's.", json_schema_extra=OF_DATA
    )
    matrix: tuple[tuple[float, ...], ...] | None = Field(
        None, description="The transition matrix, if it is given and not counted.", json_schema_extra=OF_DATA
    )
    start: tuple[float, ...] | None = Field(
        None, description="With a matrix: the law of the first token; left out: all alike.", json_schema_extra=OF_DATA
    )

    @model_validator(mode="after")
    def _stochastic(self) -> MarkovConfig:
        if self.matrix is None:
            if self.start is not None:
                raise ValueError("start goes with a matrix; from data it is counted")
            return self
        size = len(self.matrix)
        if self.order != 1:
            raise ValueError(f"a matrix says what follows one token: order must be 1, not {self.order}")
        if not size or any(len(row) != size for row in self.matrix):
            raise ValueError(f"the matrix must be square; it has {size} rows of {sorted({len(row) for row in self.matrix})} numbers")
        if self.start is not None and len(self.start) != size:
            raise ValueError(f"start has {len(self.start)} numbers, the matrix {size} rows")
        for name, row in [*((f"row {i} of the matrix", row) for i, row in enumerate(self.matrix)), ("start", self.start or (1.0,))]:
            if not all(p >= 0 for p in row) or abs(sum(row) - 1) > 1e-9:
                raise ValueError(f"{name} must be chances that sum to 1, not to {sum(row):.12g}")
        if self.contexts < size + 2:
            raise ValueError(f"a matrix of {size} rows needs contexts = {size + 2} or more")
        return self


class ARConfig(_Config):
    """An autoregression."""

    order: int = Field(12, ge=1, le=500, description="How many steps back a step depends on.")
    trend: Literal["n", "c", "ct"] = Field("c", description="Beside the lags: nothing, a constant, or a constant and a line in time.")


class BayesNetConfig(_Config):
    """A directed graph of discrete variables, given or learned."""

    variables: tuple[str, ...] = Field(
        (), max_length=1000, description="Their names, in the order of the data's columns; left out: x0, x1 ….", json_schema_extra=OF_DATA
    )
    states: tuple[Annotated[int, Field(ge=2)] | tuple[str, ...], ...] = Field(
        (),
        description="Of each variable: how many states it has, or their names; left out: the data's classes.",
        json_schema_extra=OF_DATA,
    )
    parents: dict[str, tuple[str, ...]] | None = Field(
        None, description="Of each variable that has any: those it depends on; left out: the likeliest tree.", json_schema_extra=OF_DATA
    )
    smoothing: float = Field(1.0, ge=0, description="Added to every count: a Dirichlet prior's pseudo-counts.")
    bins: int = Field(8, ge=2, le=1000, description="Of a table: into how many bins of equal counts a number is cut.")
    rows: int = Field(100_000, ge=2, description="Examples that the tree and the bins are of, at most.")
    passes: int = Field(50, ge=1, description="Of EM over what is missing, at most; of whole rows one.")

    @model_validator(mode="after")
    def _sound(self) -> BayesNetConfig:
        from .graph import check

        if self.variables and not self.states:
            raise ValueError("states: say how many states each variable has, or their names")
        check(self.variables, self.states, self.parents or {})
        return self
