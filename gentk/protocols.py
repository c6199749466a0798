"""The whole contract of gentk. A plugin needs this page and nothing else; importing it imports no torch.

Batch   Leaves (what is generated: "x", or "types", "bonds" …) and conditions (from what: "label" …), each (n, …). No name is both.
        What reads examples takes one Batch (`loss`, `statistics`, `start`, `encode`, `log_prob`); what makes them takes n, z or x_t,
        and `cond`, the conditions alone. A Tensor returned where a Batch may be means {"x": tensor}.
Shapes  The DataSpec's in every batch: shorter examples are padded, and a "length" or "mask" leaf says what counts. So batches
        concatenate, and no draw depends on a neighbour.
Time    t = 0 is data and t = 1 is noise: float64 on the host, shape () in samplers, (n,) in losses. `gaussian.scales` and
        `gaussian.rows` are the only crossings to the device and to the network's dtype.
Asking  `can(model, Denoiser)`, never isinstance: from Python 3.12 on, isinstance does not see a submodule or a buffer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import get_protocol_members

if TYPE_CHECKING:
    from torch import Tensor

Batch = Mapping[str, "Tensor"]

_members = cache(get_protocol_members)


def can(model: object, capability: type) -> bool:
    """Whether `model` has every member of the protocol `capability`."""
    return all(hasattr(model, name) for name in _members(capability))


# ---------------------------------------------------------------- data
class Column(BaseModel):
    """One number of a leaf that is a row of a table, and how a file says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    kind: Literal["number", "integer", "category", "date"] = "number"
    names: tuple[str, ...] = ()  # of a category's states: the number is the place of one
    format: str = ""  # of a date, as for strftime: the number is days since 1970
    decimals: Annotated[int, Field(ge=0, le=15)] | None = None  # that a number is written with; None: as many as float64 has
    missing: bool = False  # whether it may be missing, which is NaN


class Clock(BaseModel):
    """When the steps of a series are, and how a file says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str  # of the column
    format: str  # as for strftime
    start: float  # of step 0, in days since 1970
    every: int  # of the unit from one step to the next
    unit: Literal["month", "second"]


class Leaf(BaseModel):
    """One tensor of an example."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    shape: tuple[int, ...] = ()
    classes: int = 0  # > 0: int64 in [0, classes). 0: float32
    double: bool = False  # float64 instead: numbers with more digits than float32 has
    names: tuple[str, ...] = ()  # of the classes
    words: bool = False  # tokens stand for words, with blanks between them, whatever their lengths
    tokenizer: str = ""  # of texts: a tokenizer of the library `tokenizers`, as JSON, which stands in place of `names`
    columns: tuple[Column, ...] = ()  # of the last dimension: of a table's row (doubles), of a series' step
    clock: Clock | None = None  # of a series' steps; a leaf "time" () beside it says which step its first one is (0; below 0: unknown)
    range: tuple[float, float] | None = None
    levels: int = 0  # > 0: quantised within `range` (bytes: 256), and log_prob is then a mass


class DataSpec(BaseModel):
    """What one example is. JSON, in config.json; models and samplers take every shape from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    modality: str
    leaves: dict[str, Leaf]
    conditions: dict[str, Leaf] = {}
    frequencies: dict[str, list[float]] = {}  # how often each class of a condition occurs: default draws, and Bayes' prior

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the leaf "x"."""
        return self.leaves["x"].shape


class Dataset(Protocol):
    """Examples. Optional: `batch(indices, noise) -> Batch`, where augmentation draws from `noise` (row i belongs to
    indices[i]; None: no augmentation); `decoder`, a model whose latents these examples are; `nbytes` and `to(device)`, the same
    examples held there, whose batches are made there too; `resolved`, a dict of the options that the data set chose itself, such as the
    commit of a branch, which the run's recipe records."""

    spec: DataSpec

    def __len__(self) -> int: ...  # may be 2**40: made on the fly, or all pairs of two sets
    def __getitem__(self, index: int) -> Batch: ...  # pure: one example, without the leading dimension


# ---------------------------------------------------------------- randomness
class Noise(Protocol):
    """n streams. Row i depends on (seed, sample index, fork name, calls before), not on n, device, dtype or ranks."""

    @property
    def device(self) -> Any: ...
    def normal(self, *shape: int) -> Tensor: ...  # (n, *shape) float32 on the model's device
    def uniform(self, *shape: int) -> Tensor: ...  # (n, *shape) float64 in [0, 1) on the host
    def categorical(self, logits: Tensor) -> Tensor: ...  # (n, …, K) -> (n, …): inverse CDF, one uniform a draw
    def fork(self, name: str) -> Noise: ...  # fresh streams (labels, sizes); this one stays where it is
    def __getitem__(self, rows: Sequence[int] | slice) -> Noise: ...  # some of the rows: the same streams, going on
    def __len__(self) -> int: ...


# ---------------------------------------------------------------- models
class Condition(Protocol):
    """One input beside the noise. In the core: Label, Text, Number, File (`gentk.conditions`). ValueErrors are one line.

    Optional, where a file's name may stand for the value: `modality: str`, and `read(file: str, kind: Modality) -> dict`, what of that
    file `prepare` is given, as `x`; it may say values of other conditions, as `cond_NAME`.
    """

    @property
    def required(self) -> bool: ...
    @property
    def help(self) -> str: ...
    @property
    def metavar(self) -> str: ...  # what the flag's value looks like: "0-9"
    def parse(self, text: str) -> Any: ...  # the command line's word -> a value for `prepare`; no torch
    def prepare(self, value: Any, n: int) -> Tensor: ...  # (n, …); m given values cycle
    def default(self, n: int, noise: Noise) -> Tensor | None: ...  # not given: a draw, None (left out), or an error
    def null(self, n: int) -> Tensor | None: ...  # the trained "none" (guidance, dropout, `--label none`), or None


class Model(Protocol):
    """An nn.Module built by `Model(config, data)`, also under `torch.device("meta")`."""

    Config: ClassVar[type[BaseModel]]  # everything else needed to rebuild it, as JSON
    config: Any
    data: DataSpec  # of what its samplers yield (of a latent model: the latents)
    conditions: Mapping[str, Condition]


class Watch(NamedTuple):
    """The number that says how good a model is: `best/` is kept by it, and `training.patience` counts it."""

    name: str  # a value logged in validation ("loss", "critic/distance"), or a metric of the plugin or the core
    better: Literal["lower", "higher"] = "lower"


class Extras(Protocol):
    """Optional members of any model, found by name."""

    sampler: type[Sampler]  # the default; else the core's first whose `needs` it can
    ema: tuple[str, ...]  # submodules averaged; the average is what is saved, previewed, sampled
    training_only: tuple[str, ...]  # submodules (critic, teacher) in state/ but not in model.safetensors
    latents: Model  # set by the core: the model whose latents `data` are; saved along, it decodes the end
    watch: Watch  # default: "loss", of statistics "log_likelihood"; without it, several phases keep no `best/`
    autocast: tuple[str, ...]  # submodules computed whole in the recipe's precision; default: each linear layer and convolution
    columns: bool  # takes rows of a table as they are; without it they come as vectors, encoded by the core
    places: Tensor  # of a NextToken: (L,) int64, where in the flattened leaf each token stands
    hidden_labels: bool  # takes class number `classes` of a label for one that is not known
    start_size: int  # how many examples `start` sees, all different while there are so many; default 1024

    def start(self, batch: Batch) -> None: ...  # once, before step 0: ActNorm, k-means, scaling, the EMA teacher
    def after(self, phase: str, step: int, sums: Batch) -> None: ...  # after each optimizer step, no grad; sums over ranks
    def log_label(self, batch: Batch) -> Tensor: ...  # log q(label | x), (n, K): what `classify` asks in place of Bayes' rule
    def facts(self) -> Mapping[str, Any]: ...  # what its numbers mean, as JSON: `gentk inspect --facts`


@dataclass(frozen=True)
class Phase:
    """One optimizer step of a round. Every phase of round k sees batch k, and runs when step % every == 0."""

    name: str = "main"
    trains: tuple[str, ...] = ()  # submodules by exact path; () = all. What the model itself froze stays frozen
    optimizer: str = ""  # default: the phase's name; phases may share one
    every: int = 1  # the trainer scales nothing: lazy R1 multiplies its own loss by 16


class GradientModel(Model, Protocol):
    def phases(self) -> tuple[Phase, ...]: ...
    def loss(self, batch: Batch, phase: str, step: int) -> Mapping[str, Any]: ...

    # "loss": a mean; "weight": over how many (default: rows; text: tokens), so micro-batches and ranks add up; "sums": tensors to
    # add over micro-batches and ranks for `after`; the rest is logged. Draw freely from torch's generators: they are seeded from
    # (seed, step, phase, global micro-batch) before each call.
    # It runs with gradients on, also in validation, so a loss may differentiate (energies, score matching, gradient penalties).

    # Called in     mode   gradients  requires_grad     precision                      device          weights
    # training      train  on         phase's `trains`  linear layers, convolutions    the training's  raw
    # validation    eval   on         phase's `trains`  float32                        the training's  averaged
    # In "bfloat16", linear layers and convolutions (and `autocast`, whole) compute in it and return float32; all else is float32.
    # Validation calls every phase with fixed draws, and puts back what it changed of parameters, gradients and buffers.
    # start, after: raw weights, float32, no gradients. Samplers and every capability below: eval, no gradients (a method that
    # needs them says `torch.enable_grad()`), float32 unless the user asks otherwise. `Dataset.batch` and `latents.encode` run in
    # a thread beside the training's; every other method runs in the caller's thread. Several ranks: each calls all of these.


class StatisticsModel(Model, Protocol):
    passes: int  # at most; 1 for a closed form

    def statistics(self, batch: Batch) -> Mapping[str, Tensor]: ...  # float64 sums over examples; no gradients, no autocast
    def update(self, stats: Mapping[str, Tensor]) -> Mapping[str, float]: ...  # "log_likelihood", a mean, tells when to stop


# ---------------------------------------------------------------- sampling
class Step(NamedTuple):
    """A state. Index 0, if yielded, is the noise; the last one yielded is the sample, whatever `total` promised."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which no one needs here
    total: int
    x: Tensor | Batch  # floats are float32 or wider. Extra leaves (length, score) are welcome
    preview: Tensor | Batch | None = None  # the current guess of the sample; `gentk.finish(model, preview)` decodes it


class Sampler(Protocol):
    """A pydantic model whose fields are the options. Called in eval mode, without grad, one batch at a time.

    Optional: `conditions(data: DataSpec) -> Mapping[str, Condition]`, static, without torch: what the sampler itself can be asked for
    (an image to start from). They are flags as the model's are, and reach it in `cond`; a model's own condition of that name goes first.
    `most: ClassVar[int]`: how many samples it is given at a time, however small they are (4096).
    """

    needs: ClassVar[type]

    def __call__(self, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]: ...


# ---------------------------------------------------------------- capabilities; a plugin may define more, with its own sampler
class Schedule(Protocol):
    """x_t = α(t) x + σ(t) ε. A plain object, no module: nothing casts or saves it. Exact ends α(1) = 0, σ(0) = 0 are allowed."""

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]: ...  # float64 (…) -> α (…), σ (…)
    def inverse(self, log_snr: Tensor) -> Tensor: ...  # the t with log(α/σ) = log_snr


class Prediction(NamedTuple):
    """Both estimates of a denoiser: x_t = α x + σ eps."""

    x: Tensor
    eps: Tensor


class Denoiser(Model, Protocol):
    schedule: Schedule
    times: tuple[float, float]  # where the net is defined: (0, 1); EDM (0.002/80, 1); an ε-net needs α(times[1]) > 0

    def denoise(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction: ...


class Guide(Protocol):
    """What classifier guidance climbs, on a path of its own. A sampler meets it at equal noise level, not at equal time."""

    schedule: Schedule
    conditions: Mapping[str, Condition]

    def evidence(self, x_t: Tensor, t: Tensor, cond: Batch) -> Tensor: ...  # (n,) log p(cond | x_t), differentiable in x_t


class Encoder(Protocol):
    def encode(self, batch: Batch) -> Tensor: ...  # deterministic: the mean, the codes


class Decoder(Protocol):
    latent: Leaf  # classes > 0: codes

    def decode(self, z: Tensor, cond: Batch) -> Tensor | Batch: ...


class LatentPrior(Decoder, Protocol):
    """GAN, VAE, flow; not a plain autoencoder, not a VQ-VAE."""

    def prior(self, n: int, noise: Noise) -> Tensor: ...


class Blendable(Protocol):
    """Takes a mixture of classes where `cond` wants a class: (n, K) float shares that sum to 1, for the conditions in `blends`."""

    blends: tuple[str, ...]


class Drawable(Protocol):
    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor | Batch: ...


class Likelihood(Protocol):
    """Keyword-only parameters of `log_prob` with defaults are its options: `gentk likelihood -o samples=500`."""

    likelihood: Literal["exact", "bound", "estimate"]  # bound: on average never above log p(x)

    def log_prob(self, batch: Batch, noise: Noise) -> Tensor: ...  # (n,) nats per example, density in the data's own units


class RateDistortion(Protocol):
    """The bound log p(x) ≥ −(rate + distortion) in two parts, for an encoder q(z | x) and a prior p(z): `gentk plot rate-distortion`."""

    def rate_distortion(self, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]: ...

    # (n,) nats each, ≥ −log p(x) together on average over `noise`: the rate KL(q(z | x) ‖ p(z)), exact; the distortion −log p(x | z) of
    # one z drawn from q(z | x), in the data's own units as `log_prob`


class Imputer(Protocol):
    def impute(self, batch: Batch, known: Tensor, noise: Noise) -> Tensor: ...  # x, drawn where `known` (x's shape, bool) is False


class Forecast(NamedTuple):
    """What a series goes on with: (n, steps, D) each."""

    mean: Tensor
    std: Tensor


class Forecaster(Protocol):
    """Series x (n, T, D); a leaf `length` (n,) says how much of each counts."""

    def fitted(self, batch: Batch) -> Tensor: ...  # (n, T, D) each value's mean given those before it; NaN where there is none
    def forecast(self, batch: Batch, steps: int) -> Forecast: ...


class Begun(NamedTuple):
    """A started sequence."""

    logits: Tensor  # (n, V): each row's next token
    cache: Mapping[str, Tensor]  # rows first in every tensor: samplers pick, repeat and drop rows
    given: Tensor  # (n, L) host: fixed tokens (prompt, known pixels), -1 where free
    length: Tensor  # (n,) host: tokens already in the cache


class NextToken(Protocol):
    """The L numbers of data.leaves["x"], one after another, each given those before it. L is the product of its shape, V its `classes`.

    A leaf with `levels` has V = levels tokens: token v is the v-th of equally spaced values of its `range`. Token k stands at place
    `places[k]` of the flattened leaf, or at place k where the model has no `places`. The old cache stays valid up to `length`.
    """

    stop: int | None

    def begin(self, n: int, cond: Batch) -> Begun: ...
    def next(self, tokens: Tensor, cache: Mapping[str, Tensor], length: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]: ...

    # tokens (n, k) stand at length[i] … length[i]+k-1 -> logits (n, k, V) after each


# ---------------------------------------------------------------- measuring
class Score(BaseModel):
    """One number that says how good generated examples are, or a model. The metric says the first part, whoever evaluates the rest."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: Annotated[str, Field(min_length=1)]
    value: Annotated[float, Field(allow_inf_nan=False)]
    better: Literal["lower", "higher", "floor"] = "lower"  # floor: the nearer to what real examples get
    kind: Literal["exact", "bound", "estimate"] = "estimate"
    unit: str = ""
    error: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None  # one standard error
    library: str = ""  # whose arithmetic it is: "scipy 1.17.0"
    parameters: Mapping[str, str | int | float | bool] = {}  # without which the value cannot be compared: k, subsets, the featurizer

    examples: Annotated[int, Field(ge=1, lt=1 << 63)] | None = None  # generated ones; of a likelihood, real ones
    reference: Annotated[int, Field(ge=1, lt=1 << 63)] | None = None  # real ones beside them
    floor: Annotated[float, Field(allow_inf_nan=False)] | None = None  # the metric of real examples beside other real ones
    floor_examples: Annotated[int, Field(ge=1, lt=1 << 63)] | None = None  # in each of these two


Side = Literal["generated", "real", "training"]


class Metric(Protocol):
    """Measures once: rows come in any number of parts, in order, then `compute`. Made by its spec's target as `target(data, **options)`.

    Rows are a Batch on the host: leaves and conditions, (n, …) in the data's units, and what the spec `needs`: "features" (n, d) and
    "logits" (n, K) float64 of each side; of real examples "log_prob" (n,) nats, "log_label" (n, K) and
    "reconstruction", as x. `gentk.evaluation.Collected`
    keeps rows until they are measured; what has sums need not.

    Optional: `pairs`, after `compute`: (sample, training example), by their numbers, that a person should look at, the most telling first.
    """

    def update(self, side: Side, rows: Batch) -> None: ...
    def state(self) -> Mapping[str, Tensor]: ...  # all it has seen: what other ranks are sent
    def merge(self, state: Mapping[str, Tensor]) -> None: ...  # as if the rows of that state had come next
    def compute(self) -> Score | Sequence[Score]: ...  # raises GentkError where there is no finite number, saying why


class Featurizer(Protocol):
    """What distances between examples are measured in. Row i depends on example i alone, and is the same each time."""

    id: str  # of the numbers that it computes with: part of every score and of every key in the cache

    def features(self, batch: Batch) -> Mapping[str, Tensor]: ...  # "features" (n, d); of a classifier also "logits" (n, K). float64, host
