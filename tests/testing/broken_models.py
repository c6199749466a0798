"""`gentk_kinds` broken in one place: which check of which model must say so, and in which words. The keys of BROKEN are ids of checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .planted import Edit


class Broken(NamedTuple):
    """What is broken, whose check must complain about it, and a part of its line."""

    edits: tuple[Edit, ...]
    model: str
    said: str


def _in(file: str, model: str) -> Callable[[str, str, str], Broken]:
    return lambda old, new, said: Broken(((file, old, new),), model, said)


_denoiser, _autoencoder, _guide = (_in("gradient.py", name) for name in ("denoiser", "autoencoder", "guide"))
_gaussian, _trend, _chain = _in("statistics.py", "gaussian"), _in("statistics.py", "trend"), _in("tokens.py", "chain")
_pixels = _in("tokens.py", "pixels")
_points, _config = _in("recipes/points.toml", "gaussian"), _in("config.py", "gaussian")

# Places that are broken in several ways.
CONFIG, NAME = "self.config, self.data = config, data", "name: tuple[str, ...] = ()"
MEAN, VARIANCE = 'self.register_buffer("mean", torch.zeros(data.shape[-1]))', "torch.ones(data.shape[-1])"
STEP, OTHER = "self.mean.lerp_(mean.float(), 0.5)", "self.variance.lerp_((second - mean.square()).float(), 0.5)"
DRAWN = "self.mean + self.variance.sqrt() * noise.normal(*self.mean.shape)"
FILLED = 'torch.where(known, batch["x"], self.draw(len(known), noise, {}))'
NATS, PRIOR = 'self.nats(batch["x"])', "noise.normal(*self.latent.shape)\n\n    def bound"
SAMPLES, FACTS = "samples: Annotated[int, Field(ge=1)] = 4", 'return {"latent": list(self.latent.shape)}'
PARTS = "return rate.sum(1), lost.sum(1)"
ENCODED, DECODED = "return mean\n", 'self.decoder(self.shown(z, cond["label"]))'
VELOCITY, ASK = "Velocity().read(out, x_t, self.schedule, t)", 'self.ask(x_t, t, cond["label"])'
DENOISE = "(self, x_t: Tensor, t: Tensor, cond: Batch) -> Prediction"
TIMES, EVIDENCE = "t = torch.rand(len(x), dtype=torch.float64)", "return self.logits(x_t, t).g"
CROSS = 'cross_entropy(self.logits(x_t, t), batch["label"])'
BEGUN, AFTER, LOGITS = "Begun(self.head(state), {", 'self.states(tokens, cache["state"])', "return self.head(states), {"
FITTED = 'torch.cat([first, batch["x"][:, :-1] + self.mean], 1)'
OWN = "from gentk.samplers.prior import Prior\n\n\nclass Own(Prior):\n    pass\n\n\n"
SHARES = "shares = label if"
DOC = '"""log p(label | x_t)."""'
LOSS = 'return {"loss": cross_entropy(self.logits(x_t, t), batch["label"])}'


def _whole(body: str, said: str) -> Broken:
    """A guide whose network is computed whole in the lower precision, this module in it."""
    cls = f"class Part(nn.Module):\n    def forward(self, x):\n        {body}\n\n\nclass Gradient(nn.Module):"
    edits = (("gradient.py", "class Gradient(nn.Module):", cls), ("gradient.py", "nn.SiLU()", "Part(), nn.SiLU()"),
             ("gradient.py", DOC, f'{DOC}\n\n    autocast = ("body",)'))  # fmt: skip
    return Broken(edits, "guide", said)


def _lenient(body: str, said: str) -> Broken:
    """A Label of one's own."""
    cls = f"class Lenient(Label):\n    def prepare(self, value, n):\n        {body}\n\n\nclass Gradient(nn.Module):"
    edits = (("gradient.py", "class Gradient(nn.Module):", cls), ("gradient.py", "Label.of(data", "Lenient.of(data"))
    return Broken(edits, "guide", said)


CONTRACT: dict[str, list[Broken]] = {
    "has-recipe": [
        _in("plugin.py", "guide")(", check=recipe", "", "no recipe trains it: say one in ModelSpec(\"guide\""),
        _points("lr = 1e-2", "rl = 1e-2", "training.rl: no such key"),
        _points('"synthetic"', '"synthetik"', "no data set 'synthetik'; did you mean 'synthetic'"),
        _points("[dataset]", '[model]\nname = "guide"\n\n[dataset]', "recipes/points.toml is a recipe for kinds/guide, not for gaussian"),
        _gaussian("        super().__init__()\n", "", "AttributeError: cannot assign buffer before Module.__init__() call (gentk_kinds/"),
    ],
    "members": [
        _denoiser("    times = (0.0, 1.0)\n", "", "it has denoise(x_t, t, cond) of a Denoiser, and not its times"),
        _denoiser(DENOISE, "(self, x_t, t, cond, more) -> Prediction", "(x_t, t, cond, more) cannot be called as denoise(x_t, t, cond)"),
        _denoiser(DENOISE, "(self, x_t, s, cond) -> Prediction", "denoise(x_t, s, cond) names its parameters otherwise than"),
        _denoiser("times = (0.0, 1.0)", "times = (0.6, 0.5)", "times must be two times"),
        _denoiser('ema = ("body",)', 'ema = ("bodi",)', "ema names 'bodi', which it has not"),
        _denoiser("(Phase(),)", '(Phase(trains=("bodi",)),)', "phases names 'bodi', which it has not"),
        _denoiser("(Phase(),)", "(Phase(), Phase())", "phases gives two phases called 'main'"),
        _denoiser("    def loss", "    def los", "it has phases() of a GradientModel, and not its loss"),
        Broken((("gradient.py", "def phases", "def steps"), ("gradient.py", "def loss", "def lost")), "denoiser", "it cannot be trained"),
        _denoiser('{"label": self.label}', '{"x": self.label}', "conditions has 'x', which is a leaf"),
        _denoiser('{"label": self.label}', '{"label": Phase()}', "conditions has 'label', a Phase, which config.json cannot hold"),
        _denoiser(CONFIG, "self.config, self.data = config, None", "data is not the DataSpec"),
        _denoiser("    Config = Options\n", "", "it has no Config"),
        _autoencoder('= "bound"', '= "about"', "likelihood must be exact, bound or estimate, found 'about'"),
        _autoencoder("Leaf(shape=(3,))", "Phase()", "latent must be a Leaf, found a Phase"),
        _autoencoder('blends = ("label",)', 'blends = ("lable",)', "blends names 'lable'"),
        _gaussian(CONFIG, "self.config, self.data = None, data", "config is a NoneType, not the Config"),
        _gaussian("    def update", "    def updated", "it has statistics(batch) of a StatisticsModel, and not its update"),
        _gaussian("passes = 3", "passes = 0", "passes must be a number of passes"),
        _gaussian("    def statistics(self, batch: Batch)", "    def statistics(self)", "cannot be called as statistics(batch)"),
        _gaussian('    likelihood: Literal["exact"] = "exact"\n', "", "log_prob(batch, noise) of a Likelihood, and not its likelihood"),
        _trend("    def fitted", "    def fit", "it has forecast(batch, steps) of a Forecaster, and not its fitted"),
        _chain("stop: int | None = None", "stop: int | None = 3", "stop must be a token from 0 to 2, or None, found 3"),
        _pixels("arange(room).flip(0)", "arange(room) // 2", "places must hold each place of the flattened x, 0 to 3, once"),
        _chain("    def begin", "    def started", "it has next(tokens, cache, length) of a NextToken, and not its begin"),
    ],
    "config-round-trip": [
        _config('extra="forbid"', 'extra="ignore"', "Config ignores a key that it does not know"),
        _config(NAME, 'name: float = float("inf")', "Config does not read its own JSON"),
        _config(NAME, "name: object = Field(default_factory=object, exclude=True)", "comes back from JSON with another name"),
    ],
    "builds-on-meta": [
        _gaussian(VARIANCE, 'torch.ones(data.shape[-1], device="cpu")', "'variance' is made on cpu"),
        _gaussian('("variance", torch', '("mean" if self.mean.is_meta else "variance", torch', "its state lacks 'variance' when it is"),
        _gaussian(VARIANCE, "torch.ones(1 if self.mean.is_meta else 2)", "'variance' is (1,) float32 on the meta device and (2,)"),
    ],
    "weights-round-trip": [
        _gaussian(MEAN, "self.mean = torch.zeros(data.shape[-1])", "training changed what is neither a parameter nor a buffer"),
        _gaussian(VARIANCE, "torch.ones(data.shape[-1]), persistent=False", "Direct's x differs by"),
        _gaussian(STEP, "self.mean = self.mean[None]", "weights do not fit the config"),
        _gaussian(CONFIG, 'self.config, self.data = config.model_copy(update={"width": config.width + 1}), data', "config is another one"),
        Broken((("gradient.py", "class Gradient", f"{OWN}class Gradient"), ("gradient.py", "    blends", "    sampler = Own\n    blends")),
               "autoencoder", "its sampler Own is not what its weights recommend"),
        _denoiser('ema = ("body",)', 'ema = ("body",)\n    training_only = ("body",)', "DDIM's x differs by"),
    ],
    "facts": [
        _autoencoder(FACTS, 'return {"latent": self.latent}', "facts() are no JSON: Object of type Leaf"),
        _autoencoder(FACTS, 'return {"latent": math.nan}', "facts() are no JSON: Out of range float values"),
        _autoencoder(FACTS, "self.decoder[0].bias.data += 1\n        return {}", "of the model that told its facts is another one"),
    ],
}

TRAINING: dict[str, list[Broken]] = {
    "trains-everything": [
        _denoiser("self.body = ", "self.idle = nn.Parameter(torch.ones(1))\n        self.body = ", "do not change 'idle': it has no part"),
        _autoencoder("(Phase(),)", '(Phase(trains=("encoder",)),)', "'decoder.0.weight' (and 3 more): it is in no phase"),
        _guide('return {"loss": cross', 'return {"loss": torch.nan * cross', "the loss of phase 'main' is nan at step 0"),
        _trend("self.mean.copy_(mean)", "self.mean.fill_(torch.inf)", "'mean' has 2 values that are not finite"),
        _gaussian(f"{STEP}\n        {OTHER}", "pass", "passes changed nothing"),
    ],
    "learns": [
        _guide(CROSS, f"2 * {CROSS}.detach() - {CROSS}", "the loss of 256 fixed examples was"),
        _gaussian(STEP, STEP.replace("0.5", "-0.5"), "log_likelihood falls from"),
        Broken((("statistics.py", "passes = 3", "passes = 1"), ("statistics.py", STEP, STEP.replace("0.5", "-4.0"))), "gaussian",
               "256 fixed examples had"),
    ],
    "loss-precision": [
        _guide(LOSS, f"{LOSS[:-1]}.bfloat16()}}", "the loss of phase 'main' with layers in float32 is bfloat16"),
        _guide(LOSS, f'{LOSS[:-1]}, "share": torch.ones(()).bfloat16()}}', "'share' of phase 'main' with layers in float32 is logged as"),
        _guide(LOSS, f'{LOSS[:-1]}, "share": math.inf}}', "'share' of phase 'main' with layers in float32 is inf"),
        _whole("return x + 0 * torch.linalg.slogdet(x.T @ x).logabsdet", "the loss of phase 'main' with layers in bfloat16 fails: "),
        _whole("return x @ torch.eye(x.shape[1]) + 999 - 999", "'loss' of phase 'main' is"),
    ],
    "validates": [
        _guide(DOC, f"{DOC}\n\n    from gentk.protocols import Watch\n    watch = Watch('los')",
               "watch = 'los' is no value of a validation"),
        _guide(DOC, f'{DOC}\n\n    watch = "loss"', "Guide.watch should be Watch(name, 'lower' or 'higher')"),
        _guide(LOSS, f"{LOSS[:-1]} / (1 if self.training else 0)}}", "'loss' of a validation is inf"),
        _guide(LOSS, f"self.calls = getattr(self, 'calls', 0) + 1\n        {LOSS[:-1]} * (1 if self.training else self.calls)}}",
               "the second time"),
        _guide(LOSS, f"self.training or batch['lable']\n        {LOSS}", "KeyError: 'lable'"),
    ],
    "resume-exact": [
        _gaussian(STEP, f"self.told = getattr(self, 'told', 0) + 1\n        {STEP[:-1]} / self.told)", "'mean' (model) differs"),
        _denoiser(TIMES, f"self.own = getattr(self, 'own', torch.Generator().manual_seed(0))\n        {TIMES[:-1]}, generator=self.own)",
                  "differs after stopping at round 23 of 50"),
    ],
    "statistics-add": [
        _gaussian("x.sum(0)", "x.mean(0)", "statistics 'first' of a batch is off by"),
        _gaussian("x = x.double()", "x = x.float()", "statistics 'first' is float32"),
    ],
}

DRAWING: dict[str, list[Broken]] = {
    "same-seed": [
        _autoencoder(PRIOR, "torch.randn(n, 3)\n\n    def bound", "by Prior: x differs by"),
        _gaussian(f"return {DRAWN}", f"self.mean.mul_(1.1)\n        return {DRAWN}", "by Direct: x differs by"),
        _chain(BEGUN, "Begun(torch.randn(n, self.classes), {", "by AutoRegressive: x differs in"),
    ],
    "other-seed": [
        _gaussian("noise.normal(*self.mean.shape)", "torch.arange(n)[:, None] / n", "seeds 0 and 1 give the same 16 samples"),
        _gaussian("noise.normal(*self.mean.shape)", "noise.normal(2)[:1].repeat(n, 1)", "all 16 samples of a seed are the same"),
    ],
    "batch-size": [
        _autoencoder(DECODED, f"{DECODED}\n        out = out - out.mean(0)", "by Prior: x in batches of 5 is off by"),
        _chain(LOGITS, "return self.head(states) + torch.arange(3) * len(tokens), {", "by AutoRegressive: x in batches of 5"),
        _gaussian(DRAWN, f"({DRAWN}).flip(0)", "by Direct: x in batches of 5 is off by"),
    ],
    "not-aliased": [
        _gaussian(DRAWN, "self.mean.expand(n, -1)", "rows of x share their memory"),
        _gaussian(f"return {DRAWN}", f"self.kept = getattr(self, 'kept', torch.zeros(n, 2))\n        return self.kept.copy_({DRAWN})",
                  "by Direct: two calls' samples share memory"),
        Broken((("statistics.py", MEAN, f"{MEAN}\n        self.register_buffer('table', torch.arange(32.0).view(16, 2))"),
                ("statistics.py", DRAWN, "self.table[:n] if len(self.drawn.append(n) or self.drawn) % 2 else self.table.clone()"),
                ("statistics.py", "    passes = 3", "    passes, drawn = 3, []")), "gaussian", "samples share memory with the model"),
    ],
    "samples-fit-spec": [
        _autoencoder(DECODED, f"{DECODED}[:, :1]", "by Prior: 'x' has shape (16, 1), the spec says (16, 2)"),
        _gaussian(DRAWN, f"torch.inf * ({DRAWN})", "by Direct: 'x' has 32 values that are not finite"),
        _gaussian(DRAWN, f'{{"y": {DRAWN}}}', "by Direct: 'x' is missing; it holds y"),
    ],
    "options": [
        _autoencoder(SAMPLES, "samples=4", "option 'samples' of log_prob takes anything"),
        _autoencoder(SAMPLES, SAMPLES.replace("4", "0"), "option 'samples' of log_prob refuses its own default"),
        _autoencoder("*, samples", "samples", "'samples' of log_prob has a default and is no option"),
        _autoencoder(SAMPLES, "samples: int", "option 'samples' of log_prob has no default"),
        Broken((("gradient.py", "class Gradient", OWN.replace("pass", 'model_config = {"extra": "ignore"}') + "class Gradient"),
                ("gradient.py", "    blends", "    sampler = Own\n    blends")), "autoencoder", "Own takes an option that it does not"),
    ],
}

TOLD: dict[str, list[Broken]] = {
    "conditions-matter": [
        _denoiser("shares.to(x)", "0 * shares.to(x)", "'label': a value and another give the same DDIM's x"),
        _denoiser("one_hot(label, ", "one_hot(label % self.label.classes, ", "'label': a value and none give the same"),
        _guide('.gather(1, cond["label"][:, None])[:, 0]', "[:, 0]", "'label': a value and another give the same evidence"),
        _chain('cond["prompt"] if "prompt" in cond else ', "", "'prompt': a value and another give the same AutoRegressive's x"),
    ],
    "conditions-refused": [
        _lenient("return torch.zeros(n).long()", "'label' takes a value that it does not have"),
        _lenient("raise ValueError('one line' + chr(10) + 'another')", "'label' refuses a wrong value in several lines"),
    ],
    "blends": [
        _autoencoder(SHARES, "shares = one_hot(label.argmax(1), 3) if", "a mixture of all classes of 'label' is class 0"),
        _autoencoder(SHARES, "shares = 2 * label if", "all of class 0 as a share of 'label' differs from class 0"),
    ],
}

LIKELY: dict[str, list[Broken]] = {
    "log-prob": [
        _gaussian(f"return {NATS}", f"batch['x'].round_()\n        return {NATS}", "log_prob changes what it is given: x differs"),
        _gaussian(f"return {NATS}", f"return {NATS}[:, None]", "log_prob of 16 examples is (16, 1) float32"),
        _gaussian(f"return {NATS}", f"return {NATS} / 0", "log_prob of 16 of 16 training examples is not finite"),
        _gaussian(f"return {NATS}", f"return {NATS} + torch.randn(1)", "log_prob differs the second time"),
        _gaussian(f"return {NATS}", f"return {NATS} - {NATS}.mean()", "log_prob in batches of 5 is off by"),
    ],
    "rate-distortion": [
        _autoencoder(PARTS, f"batch['x'].round_()\n        {PARTS}", "rate_distortion changes what it is given: x differs"),
        _autoencoder(PARTS, "return rate, lost.sum(1)", "the rate of 16 examples is (16, 3) float32"),
        _autoencoder(PARTS, "return rate.sum(1), lost.sum(1).long()", "the distortion of 16 examples is (16,) int64"),
        _autoencoder(PARTS, "return rate.sum(1), lost.sum(1) / 0", "the distortion of 16 of 16 training examples is not finite"),
        _autoencoder(PARTS, "return rate.sum(1), lost.sum(1) + torch.rand(1)", "the distortion differs the second time"),
        _autoencoder(PARTS, "return rate.sum(1).mean().expand(len(z)), lost.sum(1)", "the rate in batches of 5 is off by"),
        _autoencoder(PARTS, "return -rate.sum(1), lost.sum(1)", "a divergence is never negative"),
        _autoencoder(PARTS, "return rate.sum(1), lost.sum(1) - 9", "nats above log_prob"),
    ],
    "log-prob-sampling": [
        _autoencoder("- math.log(samples)", "- math.log(samples) + 9", "the bound integrates to"),
        # For one class only: in one of the two it is not that of the first example.
        _autoencoder("- math.log(samples)", "- math.log(samples) + 9 * (batch['label'] == 0)", "the bound integrates to"),
        _autoencoder("- math.log(samples)", "- math.log(samples) + 9 * (batch['label'] == 1)", "the bound integrates to"),
        _gaussian("(2 * math.pi * self.variance)", "(math.pi * self.variance)", "the density integrates to 1.9"),
        _gaussian(DRAWN, DRAWN.replace("*", "* 1.5 *", 1), "over samples and 0.5"),
        _gaussian(f"return {NATS}", f"return {NATS}.masked_fill((batch['x'].abs() > 5).any(1), math.nan)", "near its samples is not"),
        _chain('reduction="none").sum(1)', 'reduction="none").mean(1)', "the chances of all 243 states sum to"),
        _chain(BEGUN, "Begun(3 * self.head(state), {", "place 0 is"),
        _pixels("(x.flatten(1) - low)", "(high - x.flatten(1))", "of 2000 samples, by log_prob in"),
    ],
}

ASKED: dict[str, list[Broken]] = {
    "encodes": [
        _autoencoder(ENCODED, "import threading\n        return mean * (threading.current_thread() is threading.main_thread())\n",
                     "encode in another thread is off by"),
        _autoencoder(ENCODED, "batch['x'].round_()\n        return mean\n", "encode changes what it is given: x differs"),
        _autoencoder(ENCODED, "return torch.randn_like(mean)\n", "encode differs the second time"),
        _autoencoder(ENCODED, "return mean - mean.mean(0)\n", "encode one by one is off by"),
        _guide("    def evidence", "    def encode(self, batch):\n        return batch['x'][:8]\n\n    def evidence", "encode of 16"),
        _autoencoder(ENCODED, "return mean[:, :2]\n", "encode: 'z' has shape (16, 2), the spec says (16, 3)"),
    ],
    "decodes": [
        _autoencoder(DECODED, DECODED.replace("z,", "z.round_(),"), "decode changes what it is given: z differs"),
        _autoencoder(DECODED, f"torch.randn_like({DECODED})", "decode of any z one by one is off by"),
        _autoencoder(DECODED, f"{DECODED}[:, :1]", "decode of any z: 'x' has shape (16, 1)"),
        _autoencoder(PRIOR, PRIOR.replace("*self.latent.shape", "2"), "prior: 'z' has shape (16, 2)"),
        _autoencoder(PRIOR, "torch.randn(n, 3)\n\n    def bound", "prior differs for the same noise"),
    ],
    "round-trip": [
        _autoencoder(ENCODED, "return -mean\n", "decode(encode(x)) is further from x than what other"),
        Broken((("gradient.py", '"bound"] = "bound"', '"exact"] = "exact"'), ("gradient.py", "self.latent = Leaf(shape=(3,))",
                "self.latent = Leaf(shape=(2,))"), ("gradient.py", "2 * 3), self.net(3 +", "2 * 2), self.net(2 +")), "autoencoder",
               "decode(encode(x)) misses x by"),
    ],
    "denoises": [
        _denoiser(VELOCITY, "Prediction(out, out)", "misses x_t by"),
        _denoiser(f"out = {ASK}", f"out = {ASK}\n        out = out - out.mean(0)", "a row's x depends on the others"),
        _denoiser(ASK, ASK.replace(" t,", " t.flatten()[0],"), "where rows have times of their own"),
        _denoiser(VELOCITY, "Prediction(out[:, :1], out)", "denoise of (16, 2) gives x (16, 1) and eps (16, 2)"),
    ],
    "guides": [
        _guide("[:, None])[:, 0]", "[:, None])", "evidence of 16 rows has shape (16, 1)"),
        _guide(".log_softmax(1)", "", "the log of a probability is never above 0"),
        _guide(".log_softmax(1)", ".log_softmax(0)", "evidence one by one is off by"),
        _guide(EVIDENCE, "return self.logits(x_t, t).detach().g", "evidence has no gradient"),
        _guide(EVIDENCE, "return self.logits(0 * x_t, t).g", "the gradient of evidence is zero everywhere"),
    ],
    "next-token": [
        _chain("states[:, -1]}", 'cache["state"].copy_(states[:, -1])}', "the old cache gives other logits"),
        _chain(AFTER, "self.states(tokens, self.begun(len(tokens)))", "tokens one by one give other logits than at once"),
        _chain('{"state": state}, given', '{"state": state.T}, given', "'state' of the cache has 16 rows first, not 4"),
        _chain("Begun(self.head(state)", "Begun(self.head(state)[:, :2]", "logits of begin is (4, 2), not (4, 3)"),
        _chain("state = states[torch.arange(n), length]", "state = states[:, 0]", "begun with 'prompt', the logits are others"),
        _pixels(AFTER, "self.states(tokens, self.begun(len(tokens)))", "tokens one by one give other logits than at once"),
        _pixels("classes=leaf.levels)", "classes=leaf.levels + 1)", "logits of begin is (4, 4), not (4, 3)"),
        _chain(AFTER, f"{AFTER} + 0.1 * (len(tokens) == 2)", "picked rows of a cache give other logits"),
    ],
    "imputes": [
        _gaussian(FILLED, "self.draw(len(known), noise, {})", "impute changes"),
        _gaussian("self.draw(len(known), noise, {}))", 'torch.randn_like(batch["x"]))', "impute differs the second time"),
        _gaussian("self.draw(len(known), noise, {}))", 'self.draw(len(known), noise, {}) + batch["x"])', "where nothing is known"),
        _gaussian("self.draw(len(known), noise, {}))", "self.draw(len(known), noise, {}).flip(0))", "impute one by one is off by"),
        _gaussian(FILLED, 'batch["x"][:, :1]', "impute: 'x' has shape (16, 1)"),
    ],
    "forecasts": [
        _trend(FITTED, 'batch["x"].clone()', "fitted changes by"),
        _trend("torch.cat([first, ", "torch.cat([first, first, first, ", "fitted of (16, 12, 2) has shape (16, 14, 2)"),
        _trend(FITTED, f"{FITTED}.index_fill(1, torch.tensor(5), math.nan)", "fitted of example 0 has 2 steps without a mean, not only"),
        _trend("* self.variance).sqrt()", "* 0 * self.variance).sqrt()", "the deviation of a forecast must be above 0"),
        _trend("ahead * self.mean, ", "ahead / steps * self.mean, ", "mean of the first 2 steps differs by"),
        _trend("Forecast(batch", "Forecast(math.nan * batch", "mean of a forecast of 5 steps is (16, 5, 2), or not finite"),
    ],
}

BROKEN: dict[str, list[Broken]] = CONTRACT | TRAINING | DRAWING | TOLD | LIKELY | ASKED
