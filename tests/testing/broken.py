"""A plugin broken in one place: which check must say so, and in which words. The keys of BROKEN are the ids of checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .planted import Edit

SHIPPED, RECIPE = "weights/brest/config.json", "recipes/brest.toml"
NOISE = "noise.normal(*model.mean.shape)"
COUNTED = "        self.parts = getattr(self, 'parts', 0) + 1\n        self.sums[side] ="
UNSEEN = "Score.model_construct"  # without pydantic's look
UNSAID = (RECIPE, '[sampler]\nname = "ebb"\n\n[sampler.options]\nsteps = 4\n', "")  # so that the plugin's sampler is not the default


MAIN = "threading.current_thread() is threading.main_thread()"
DEV = "Provides-Extra: dev\nRequires-Dist: gentk-swell; extra == 'dev'\n"
FOREIGN = (  # another plugin beside it
    ("../gentk_swell.py", "", "from gentk.host import DatasetSpec, SamplerSpec, hookimpl\n"
     "@hookimpl\ndef gentk_datasets(): yield DatasetSpec('swell', 'gentk_tides.data:gauges', 'image', summary='Swell')\n"
     "@hookimpl\ndef gentk_samplers(): yield SamplerSpec('swash', 'gentk_tides.sampler:Ebb', summary='Swash')\n"),
    ("../gentk_swell-1.0.dist-info/METADATA", "",
     "Metadata-Version: 2.1\nName: gentk-swell\nVersion: 1.0\nRequires-Dist: gentk-core>=0.1,<0.2\n"),
    ("../gentk_swell-1.0.dist-info/entry_points.txt", "", "[gentk]\nswell = gentk_swell\n"),
)  # fmt: skip


class Broken(NamedTuple):
    """What is broken, what the check must complain about, and a part of its line."""

    edits: tuple[Edit, ...]
    subject: str
    said: str
    plugin: str = "tides"


def _in(file: str, subject: str) -> Callable[[str, str, str], Broken]:
    return lambda old, new, said: Broken(((file, old, new),), subject, said)


_plugin, _metadata, _recipe = _in("plugin.py", "tides"), _in("METADATA", "tides"), _in(RECIPE, "tides")
_data, _schedule, _sampler = _in("data.py", "gauges"), _in("schedule.py", "spring"), _in("sampler.py", "ebb")
_metric, _function, _featurizer = _in("metrics.py", "levels"), _in("foreign.py", "range-error"), _in("metrics.py", "harmonics")
_shipped, _readme, _drawn = _in(SHIPPED, "brest"), _in("weights/brest/README.md", "brest"), _in("sampler.py", "brest")


def _top(code: str, said: str) -> Broken:
    return _plugin("@hookimpl", f"{code}\n\n\n@hookimpl", said)


def _excuse(check: str, subject: str, reason: str, said: str) -> Broken:
    return _plugin("yield from ()", f"yield ExpectedFailure({check!r}, {subject!r}, {reason!r})", said)


WHOLE: dict[str, list[Broken]] = {
    "loads": [
        _top("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module' (gentk_tides/plugin.py:"),
        _top("raise SystemExit(3)", "SystemExit: 3"),
        _top("def gentk_modells(): return []", "unknown hook gentk_modells; did you mean 'gentk_models'"),
        _plugin("@hookimpl\ndef gentk_models", "def gentk_models", "gentk_models lacks @gentk.hookimpl"),
        _plugin("yield from ()", "yield 'learns'", "gave 'learns', not a ExpectedFailure"),
        _plugin("", "if True:\n", "IndentationError"),
        _in("entry_points.txt", "tides")("gentk_tides.plugin", "gentk_tides.config", "it offers nothing"),
    ],
    "light-import": [
        _top("import numpy", "gentk_tides.plugin imports numpy"),
        _plugin("    yield ModelSpec", "    import numpy\n    yield ModelSpec", "gentk_models imports numpy"),
        _in("config.py", "tides")("from pydantic", "import numpy\nfrom pydantic", "gentk_tides.config:TidesConfig imports numpy"),
        _in("sampler.py", "tides")("from pydantic", "import numpy\nfrom pydantic", "gentk_tides.sampler:Ebb imports numpy"),
        _top("import sys\nassert sys.argv != ['-c', 'tides']", "not in a process of its own: AssertionError"),
        _top("import os, sys\nif sys.argv == ['-c', 'tides']: os._exit(7)", "ended with exit code 7"),
    ],
    "quiet-discovery": [
        _top("import pathlib\n(pathlib.Path(__file__).parent / 'cache').write_text('')", "cache for writing"),
        _top("import os, pathlib\nos.makedirs(pathlib.Path(__file__).parent / 'c' / 'd', exist_ok=True)", "os.mkdir"),
        _top("import os; os.system('true')", "starts a process (os.system"),
        _top("import subprocess; subprocess.run(['true'])", "starts a process (subprocess.Popen true)"),
        _top("import socket, contextlib\nwith contextlib.suppress(OSError): socket.create_connection(('127.0.0.1', 9))", "network"),
        _top("print('hello')", "prints 'hello'"),
        _top("import os; os.write(1, b'hello')", "prints 'hello'"),
        _plugin("    yield from ()", "    print('asked')\n    yield from ()", "prints 'asked'"),
    ],
    "requirement": [
        _metadata("Requires-Dist: gentk-core>=0.1,<0.2\n", "", "does not require gentk-core"),
        _metadata("gentk-core>=0.1,<0.2", "gentk-ddpm>=0.1,<0.2", "does not require gentk-core"),
        _metadata("gentk-core>=0.1,<0.2", 'gentk-core>=0.1,<0.2; python_version < "3"', "does not require gentk-core"),
        _metadata("gentk-core>=0.1,<0.2", "gentk-core<0.2", "requires gentk-core<0.2 without a lower bound"),
        _metadata("gentk-core>=0.1,<0.2", "gentk-core>=0.1", "requires gentk-core>=0.1 without an upper bound"),
    ],
    "metadata": [
        _metadata("Summary: About tides\n", "", "has no summary"),
        _in("RECORD", "tides")("", "gentk_tides/plugin.py,,\ntests/test_tides.py,,\n", "installs 'tests' beside its package"),
    ],
    "expected-failures": [
        _excuse("lears", "tides", "because", "no check 'lears'; did you mean 'learns'"),
        _excuse("learns", "tide", "because", "check 'learns' has no subject 'tide'; did you mean 'tides'"),
        _excuse("learns", "tides", " ", "learns[tides] is excused without a reason"),
        _excuse("expected-failures", "tides", "because", "cannot be excused"),
        _plugin("yield from ()", "yield from [ExpectedFailure('learns', 'tides', 'because')] * 2", "learns[tides] is excused twice"),
    ],
    "names-unique": [
        Broken((("entry_points.txt", "tides = ", "tides_2 = "),), "tides_2", "plugin's own name 'tides_2'", "tides_2"),
        _plugin('"spring"', '"Spring"', "schedule 'Spring': a name is of lower-case"),
        _plugin('"gauges"', '"gauges:brest"', "data set 'gauges:brest': a name is of lower-case"),
        _plugin('"ebb"', '"ddim"', "sampler 'ddim' is a name that gentk itself uses"),
        _plugin("yield RecipeSpec", "yield RecipeSpec('brest', 'recipes/brest.toml')\n    yield RecipeSpec", "recipe 'brest' is offered 2"),
    ],
    "models-have-recipes": [_recipe('name = "tides"', 'name = "ebbs"', "no recipe trains the model 'tides': give one")],
    "recipes-installable": [
        Broken((*FOREIGN, (RECIPE, 'name = "gauges"', 'name = "swell"')), "tides", "data set 'swell' comes from gentk-swell"),
        Broken((*FOREIGN, (RECIPE, 'name = "ebb"', 'name = "swash"')), "tides", "recipe 'brest': sampler 'swash' comes from gentk-swell"),
        Broken((*FOREIGN, ("plugin.py", '"tides",', '"tides", sampler="swash", target=')), "tides", "model 'tides': sampler 'swash' comes"),
        Broken((*FOREIGN, (RECIPE, 'name = "gauges"', 'name = "swell"'),
                ("METADATA", "Requires-Dist: gentk-core", f"{DEV}Requires-Dist: gentk-core")),
               "tides", "data set 'swell' comes from gentk-swell"),
    ],
    "specs-resolve": [
        _plugin("model:Tides", "models:Tides", "model 'tides': target 'gentk_tides.models:Tides' cannot be imported: ModuleNotFound"),
        _plugin("model:Tides", "model:Tydes", "cannot be imported: AttributeError"),
        _plugin("model:Tides", "config:TidesConfig", "is no nn.Module"),
        _plugin("config:TidesConfig", "config:GaugeOptions", "config 'gentk_tides.config:GaugeOptions' is not Tides.Config"),
        _plugin("config:TidesConfig", "model:Tides", "config 'gentk_tides.model:Tides' is no pydantic class"),
        _in("model.py", "tides")("Config = TidesConfig", "Config = dict", "Tides.Config is no pydantic class"),
        _plugin('"tides",', '"tides", check="recipes/check.toml", target=', "check 'recipes/check.toml' is not in the package"),
        _plugin('"tides",', '"tides", sampler="eb", target=', "no sampler 'eb'; did you mean 'ebb'"),
        _plugin("data:gauges", "data:LEAVES", "target 'gentk_tides.data:LEAVES' cannot be called"),
        _plugin('"image",', '"image", argument="swel",', "argument 'swel' is none of its options; did you mean 'swell'"),
        _plugin('"image",', '"image", splits=(),', "data set 'gauges': it has no splits"),
        _plugin("sampler:Ebb", "sampler:Tidal", "sampler 'ebb': target 'gentk_tides.sampler:Tidal' is no pydantic class"),
        _plugin("schedule:Spring", "schedule:Neap", "schedule 'spring': target 'gentk_tides.schedule:Neap' cannot be imported"),
        _plugin("foreign:range_error", "foreign:wrong_range", "metric 'range-error': target 'gentk_tides.foreign:wrong_range' cannot"),
        _plugin("modality:Chart", "foreign:read", "modality 'chart': target 'gentk_tides.foreign:read' is no gentk.modalities.Modality"),
        _in("modality.py", "tides")("def read", "def reads", "modality 'chart': Chart does not say how to read"),
        _plugin("foreign:write", "foreign:rite", "importer 'utide': export 'gentk_tides.foreign:rite' cannot be imported"),
        _plugin("recipes/brest", "recipes/breast", "recipe 'brest': path 'recipes/breast.toml' is not in the package"),
        _plugin('"recipes/brest.toml"', '"../gentk_tides-1.0.dist-info/METADATA"', "leads out of the package"),
        _plugin("weights/brest", "weights/breast", "weights 'weights/breast' is not in the package"),
        _plugin("weights/brest", "recipes", "weights 'recipes' hold no config.json"),
        _recipe("steps = 4", "stesp = 4", "sampler.options.stesp: no such key; did you mean 'steps'"),
    ],
}
OPTIONS = 'options="gentk_tides.config:GaugeOptions", '
ALONE = (("sampler.py", "z = noise", "model.z = noise"), ("sampler.py", "deviation * z", "deviation * model.z"))

PARTS: dict[str, list[Broken]] = {
    "dataset-options": [
        _in("config.py", "gauges")('"forbid")\n    swell', '"ignore")\n    swell', "GaugeOptions ignores a key it does not know"),
        Broken((("plugin.py", OPTIONS, ""), ("data.py", "swell: float = 0.1)", "**more: float)")), "gauges", "takes any key"),
    ],
    "examples-fit-spec": [
        _data("range=(-1, 1)", "range=(0, 1)", "example 0 of 'train': 'x' has values from"),
        _data("levels=256", "levels=17", "'x' has values between the 17 levels"),
        _data("shape=(1, 2, 4)", "shape=(2, 4)", "'x' has shape (1, 2, 4), the spec says (2, 4)"),
        _data("dtype=torch.float32", "dtype=torch.float64", "'x' is float64, must be float32"),
        _data("torch.tensor(label)", "label", "'label' is a int, not a tensor"),
        _data("torch.tensor(label)", "torch.tensor(label).float()", "'label' is float32, must be int64"),
        _data("torch.tensor(label)", "torch.tensor(label * 2)", "'label' holds class 2; the spec has 2 (0-1)"),
        _data("torch.tensor(label)", "torch.tensor(-label)", "'label' holds class -1; the spec has 2 (0-1)"),
        _data('"label": torch.tensor(label)', '"lable": torch.tensor(label)', "'label' is missing; it holds x, lable"),
        _data('"label": torch', '"more": torch.ones(()), "label": torch', "holds 'more', which its spec does not name"),
        _data("grey / 127.5 - 1", "grey * np.nan", "values that are not finite"),
        _data("return 400", "return 0", "split 'train' is empty"),
        _data("[0.5, 0.5]", "[0.5, 0.5, 0.5]", "frequencies of 'label' must be a share for each of its 2 classes"),
        _data('frequencies={"label"', 'frequencies={"lable"', "frequencies of 'lable', which is no condition"),
        _data("leaves=LEAVES", "leaves=LEAVES if split == 'train' else {'x': Leaf(shape=(1, 2, 4))}", "split 'test' has another spec"),
        _plugin('"image"', '"points"', "its hook says modality 'points', its data 'image'")._replace(subject="gauges"),
    ],
    "examples-pure": [
        _data("label = index % 2", f"import threading\n        label = index % 2 if {MAIN} else 1", "in another thread differs"),
        _data("label = index % 2", "label = index % 2\n        self.swell += 0.1", "example 399 of 'train' asked for again differs in 'x'"),
        _data("split, swell\n", "split, swell + np.random.random()\n", "of the same data set made again differs in 'x'"),
        _data("for i in indices]", "for i in sorted(indices)]", "in another order holds other rows in 'x'"),
        _data("return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}",
              "return {key: (v := torch.stack([row[key] for row in rows])) * (len(rows) > 5) for key in rows[0]}",
              "with fewer rows holds others"),
        _data("rows = [self[i] for i in indices]", "rows = [self[i if noise else 0] for i in indices]", "without noise is not its"),
        _data("key=[len(self.split), index]", "key=[0, index]", "split 'test' holds the examples of 'train'"),
        _data("for i in indices]", "for i in (j + 1 for j in indices)]", "is not its examples stacked in 'x'"),
        _data("for i in indices]", "for i in np.random.randint(0, 400, len(indices))]", "batch of 'train' asked for again differs in"),
        _data("torch.stack([row[key]", "torch.stack([row[key][None]", "batch of 'train': 'x' has shape"),
    ],
    "schedule-monotone": [
        _schedule("return 1 - t, t.clone()", "return t.clone(), 1 - t", "α/σ does not fall between t = 0 and 0.001"),
        _schedule("return 1 - t, t.clone()", "return (1 - t).float(), t.clone()", "α at float64 times of shape () is float32"),
        _schedule("return 1 - t, t.clone()", "return 1 - t, t.reshape(-1)", "σ at float64 times of shape () is float64 (1,)"),
        _schedule("return 1 - t, t.clone()", "return 1 - 2 * t, t.clone()", "α is negative or not finite at t = 0.501"),
        _schedule("return 1 - t, t.clone()", "return 1 - t, 0.1 / t", "σ is negative or not finite at t = 0"),
        _schedule("return 1 - t, t.clone()", "return 1 - t, t * (t < 1)", "α and σ are both 0"),
    ],
    "schedule-inverse": [
        _schedule("torch.sigmoid(-log_snr)", "torch.sigmoid(log_snr)", "inverse of log α/σ at t = 0.999 is off by 1"),
        _schedule("torch.sigmoid(-log_snr)", "torch.sigmoid(-log_snr) + 1e-5", "is off by 1e-05"),
        _schedule("torch.sigmoid(-log_snr)", "log_snr * torch.nan", "is off by nan"),
    ],
    "metric-batches": [
        _metric('rows["features"] /', 'rows["features"][:100] /', "of rows given one by one 'level-error' is"),
        _metric("full_like(x[0], len(x)), x.sum(0), x.square().sum(0)", "ones_like(x[0]), x.mean(0), x.square().mean(0)", "uneven parts"),
        _metric("return self.sums\n", "return {k: v.tolist() for k, v in self.sums.items()}\n", "state() holds 'generated', a list"),
        _metric("return self.sums\n", "return {'all': torch.stack([*self.sums.values()])}\n", "RuntimeError: stack expects"),
        _metric("            self.add(side, sums)", "            self.sums[side] = sums", "merged 'level-error' is"),
        Broken((("metrics.py", "        self.sums[side] =", COUNTED),
                ("metrics.py", "return [\n", "return [\n            *[Score(name='parts', value=1.0)] * (self.parts > 9),\n")),
               "levels", "one by one it gives parts, level-error, spread-ratio; of all at once level-error, spread-ratio"),
    ],
    "metric-floor": [
        _metric('"level-error"', '"Level error"', "score 'Level error': a name is of lower-case"),
        _metric('"spread-ratio"', '"level-error"', "it gives two scores 'level-error'"),
        _metric('Score(name="level-error", value=', f'{UNSEEN}(name="level-error", value=1e999 * ', "'level-error' is inf of real"),
        _metric('Score(name="level-error",', f'{UNSEEN}(error=-1.0, name="level-error",', "the error of 'level-error' is -1.0"),
        _metric("return [\n", "return [] and [\n", "it gives no score of real rows"),
        _metric("return [\n", "return [1.0] or [\n", "it gives a float, not a gentk.protocols.Score"),
        _metric("apart = ", "raise GentkError('too few')\n        apart = ", "of 600 real rows beside other real ones: too few"),
        _metric("apart = ", "raise GentkError('too\\nfew')\n        apart = ", "is to say in one line what is wrong, and says 'too"),
        _metric('rows["features"] /', 'rows["logits"] /', "KeyError: 'logits' (gentk_tides/metrics.py:"),
        _function("return float(abs(", "return 1e999 * float(abs(", "ValidationError"),
    ],
    "metric-damage": [
        _metric('better="lower"', 'better="higher"', "'level-error', better 'higher', is 5"),
        _metric("value=apart", "value=1 / (1 + apart)", "all rows are copies of one moved row"),
        _metric("value=float((deviation / deviation_real).mean())", "value=1.0", "'spread-ratio', better 'floor', is 1 where"),
        _metric("value=apart", "value=(apart - 2) ** 2", "where 30% of the rows are copies of one moved row, and 3"),
        _metric("value=apart", "error=2.0, value=apart", "that is not worse"),
        _function("return float(abs(", "return -float(abs(", "'range-error', better 'lower', is -"),
    ],
    "metric-refuses": [
        _metric("raise GentkError(f\"there", "raise ValueError(f\"there", "of no rows it raises ValueError: there are no generated rows"),
        _metric("if side not in self.sums:", "if not self.sums:", "without generated rows it raises KeyError: 'generated'"),
        _metric("if not bool(second.isfinite().all()):", "if False:", "in 'features' that is not finite it raises ValidationError"),
        _metric('rows["features"] /', 'rows["features"].nan_to_num() /', "that is not finite 'level-error' is"),
        _metric("rows to measure", "rows\\nto measure", "an error is to say in one line"),
    ],
    "featurizer-shape": [
        _featurizer(".double()", ".float()", "'features' is float32 on cpu, must be float64 on the host"),
        _featurizer(".abs()}", ".abs().flatten()}", "gauges examples: 'features' of 24 rows is (120,), must be (24, d)"),
        _featurizer('{"features"', '{"feature"', "it gives ['feature'], and no mapping with 'features'"),
        _featurizer('{"features"', '{"x": batch["x"], "features"', "it gives 'x', which is neither"),
        _featurizer('{"features"', '{"logits": batch["x"].double().flatten(1)[:, :1], "features"', "'logits' of 24 rows is (24, 1), must"),
        _featurizer(".abs()}", ".abs().tolist()}", "'features' is a list, not a tensor"),
        _featurizer(".abs()}", ".abs() / 0}", "'features' holds NaN or infinity"),
        _featurizer(".abs()}", ".abs().requires_grad_()}", "'features' has gradients"),
        _featurizer(".abs()}", ".abs()[:2]}", "'features' of 24 rows is (2, 5)"),
        _featurizer('id = "harmonics"', 'id = " "', "its id is ' ': a text"),
        _featurizer('id = "harmonics"', "id = property(lambda self: f'{id(self)}')", "of one made again: nothing that was kept"),
        _featurizer('data.modality != "image"', 'data.modality == "image"', "it is the default for gauges, and refuses examples image ("),
        _featurizer(".abs()}", ".abs().no_such()}", "AttributeError: 'Tensor' object has no attribute 'no_such' (gentk_tides/metrics.py:"),
    ],
    "featurizer-deterministic": [
        _featurizer(".abs()}", ".abs() + torch.rand(()).double()}", "gauges examples: 'features' asked for again differ"),
        Broken((("metrics.py", ".abs()}", ".abs() + self.shift}"),
                ("metrics.py", "        if data", "        self.shift = torch.rand(())\n        if data")),
               "harmonics", "gauges examples: 'features' of a featurizer made again differ"),
        _featurizer('batch["x"].double()', 'batch["x"].mul_(2).double()', "asking for features changes 'x' of the rows"),
        _featurizer('batch["x"].double()', 'batch["x"].double().sort(0).values', "in another order 'features' differ by"),
        _featurizer('batch["x"].double()', '(batch["x"] - batch["x"].mean(0)).double()', "'features' differ by"),
        _featurizer(".abs()}", '.abs()[:, : len(batch["x"])]}', "one by one 'features' are (24, 1), and (24, 5) of all rows at once"),
    ],
    "featurizer-refuses": [
        _featurizer("raise UsageError(", "raise ValueError(", "it raises ValueError: harmonics are of grey levels"),
        _featurizer('data.modality != "image" or data.shape[0] != 1', "False", "for table examples table (5,), which it does not refuse"),
        _featurizer("are of grey levels", "are of grey\\nlevels", "an error is to say in one line"),
    ],
    "sampler-options": [
        _sampler("Field(3, ", "Field(", "option 'steps' has no default"),
        _sampler('Field(2.0, description="The deviation at high water.")', "2.0", "option 'high' has no description"),
        _sampler("Field(2.0", 'Field(float("inf")', "its options do not come back from JSON as they were"),
        _sampler('ConfigDict(extra="forbid")', "ConfigDict()", "Ebb ignores an option it does not know"),
    ],
    "sampler-needs": [
        _sampler("    needs: ClassVar[type] = Tidal\n", "", "Ebb.needs is missing"),
        _sampler("= Tidal\n", "= dict\n", "Ebb.needs is <class 'dict'>, no Protocol"),
        _sampler("= Tidal\n", "= type('Any', (Protocol,), {'_is_protocol': True})\n", "Any asks nothing of a model"),
    ],
    "batch-size": [
        Broken((UNSAID, ("sampler.py", NOISE, f"(z := {NOISE}) - z.mean(0)")), "tides", "Ebb"),
    ],
    "same-seed": [
        Broken((UNSAID, ("sampler.py", f"z = {NOISE}", f"import torch\n\n        z = torch.randn(()) + {NOISE}")), "tides", "Ebb"),
    ],
    "sampler-state": [
        Broken(ALONE, "ebb", "take turns give other samples than each alone"),
        _sampler("yield Step(i,", "yield Step(self.steps - i,", "its steps count [3, 2, 1, 0], not upwards"),
        _sampler("model.mean + level * model.deviation * z", "(model.mean + z)[..., :2]", "the last step: 'x' has shape"),
        _sampler("z = noise", "self.high = 1.5\n        z = noise", "drawing changes its options"),
    ],
    "weights-load": [
        _shipped('"format": 2', '"format": 3', "has format 3"),
        _shipped('"plugin": "tides"', '"plugin": "tydes"', "tydes"),
        _in("model.py", "brest")('"deviation", torch', '"spread", torch', "spread"),
    ],
    "weights-match-recipe": [
        _shipped('"recipe": "brest"', '"recipe": "breast"', "differ in recipe: 'breast', and 'brest' in the recipe"),
        _shipped('"floor": 0.02', '"floor": 0.03', "differ in config: floor is 0.03, and 0.02 in the recipe"),
        _shipped('"name": "ebb"', '"name": "direct"', "differ in sampler.name: 'direct', and 'ebb' in the recipe"),
        _shipped('"steps": 4', '"steps": 5', "differ in sampler.options: steps is 5, and 4 in the recipe"),
    ],
    "weights-sample": [
        _drawn("deviation * z", "deviation * z * 100", "samples: 'x' has values from"),
        _drawn("deviation * z", "deviation * z / 0", "values that are not finite"),
        _drawn("z = noise", "raise RuntimeError('ebbed')\n        z = noise", "RuntimeError: ebbed (gentk_tides/sampler.py:"),
    ],
    "card-renders": [
        _in("weights/brest/metrics.json", "brest")("", '{"format": 1}', "metrics.json: dataset: Field required"),
        _readme("", "---\ntags: [\n---\nTides.\n", "README.md, line 3: the table at its head is no YAML"),
        _readme("", "---\nmodel-index: tides\n---\nTides.\n", "head is not what the Hub reads: Invalid `model_index`"),
    ],
}

BROKEN: dict[str, list[Broken]] = WHOLE | PARTS
