"""`gentk plugins new`: what it writes is a plugin that works, whatever it is called, and nobody's files or names are taken."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from gentk.errors import UsageError
from gentk.host.scaffold import KINDS, named, write
from gentk.host.scaffold.writing import TEMPLATES, bound
from tests.fakes import GOOD, fake
from tests.running import gentk
from tests.wheels.workshop import Installed, Workshop

MODELS = [kind for kind in KINDS if kind != "metric"]


def written(kind: str) -> list[str]:
    inside = ["config.py", "data.py", "model.py", "plugin.py", "recipes/my-tides.toml"]
    if kind == "metric":
        inside = ["featurizer.py", "metric.py", "options.py", "plugin.py"]
    package = [f"gentk_my_tides/{name}" for name in ("__init__.py", *inside)]
    return [".github/workflows/test.yml", ".gitignore", "README.md", *package, "pyproject.toml", "tests/test_my_tides.py"]


# ---------------------------------------------------------------- what is written
@pytest.mark.parametrize("kind", KINDS)
def test_every_file_bears_the_plugins_names_and_no_placeholder_is_left(kind: str, tmp_path: Path) -> None:
    assert write(named("gentk-my-tides"), kind, tmp_path / "new") == written(kind)
    texts = {name: (tmp_path / "new" / name).read_text("utf-8") for name in written(kind)}
    for name, text in texts.items():
        assert not re.search("(?i:template)|SUMMARY|PAPER|MODALITY|EXAMPLES|COMMAND|BOUND", text), name
        assert text.endswith("\n")
    project = tomllib.loads(texts["pyproject.toml"])
    assert project["project"]["name"] == "gentk-my-tides"
    assert project["project"]["entry-points"] == {"gentk": {"my-tides": "gentk_my_tides.plugin"}}
    assert project["project"]["dependencies"] == ["gentk-core>=0.1,<0.2"]
    main = "metric" if kind == "metric" else "model"
    classes = [node.name for node in ast.walk(ast.parse(texts[f"gentk_my_tides/{main}.py"])) if isinstance(node, ast.ClassDef)]
    assert classes[-1] == "MyTides"
    if kind != "metric":
        recipe = tomllib.loads(texts["gentk_my_tides/recipes/my-tides.toml"])
        assert recipe["model"]["plugin"] == recipe["model"]["name"] == recipe["dataset"]["name"] == "my-tides"


TAKEN = ["false", "none", "batch", "v", "coupling", "label", "data-spec", "template", "my-tides-2", "x1", "spectrum", "score"]


@pytest.mark.parametrize("name", TAKEN)
def test_no_name_breaks_the_code(name: str, tmp_path: Path) -> None:
    """Classes that are called as something that the code uses already would hide it."""
    for kind in KINDS:
        write(named(name), kind, tmp_path / kind)
    ruff = Path(sys.prefix, "bin", "ruff")
    done = subprocess.run([ruff, "check", "--no-cache", *KINDS], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    for path in tmp_path.rglob("*.py"):
        tree = ast.parse(path.read_text())
        defined = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        imported = [alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
        assert len({*defined, *imported}) == len(defined) + len(imported), path


@pytest.mark.parametrize(("running", "wanted"), [("0.1.0", ">=0.1,<0.2"), ("0.10.3.dev1", ">=0.10,<0.11"), ("2.4.1", ">=2.4,<3")])
def test_a_plugin_is_bound_to_the_versions_that_keep_what_is_public(running: str, wanted: str) -> None:
    assert bound(running) == wanted


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Tides", "'Tides' is no name for a plugin: .* did you mean 'gentk-tides'"),
        ("gentk_my tides!", "did you mean 'gentk-my-tides'"),
        ("3d", "no name for a plugin"),
        ("a--b", "did you mean 'gentk-a-b'"),
        ("gentk-", "no name for a plugin"),
        ("gentk", "no name for a plugin"),
        ("../x", "did you mean 'gentk-x'"),
        ("a" * 61, "no name for a plugin"),
        ("ébb", "no name for a plugin"),
        ("gentk-ddpm", "'ddpm' is taken: gentk-ddpm .* is installed"),
        ("latents", "'latents' is taken: gentk itself has a data set of that name"),
    ],
)
def test_a_name_that_cannot_be_had_is_refused_in_one_line(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        named(name)
    assert "\n" not in str(refused.value)


def test_a_published_name_is_refused_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from gentk.host import catalogue

    known = catalogue.published()
    monkeypatch.setattr(catalogue, "published", lambda: {**known, "tides": known["ddpm"]._replace(distribution="gentk-tides")})
    with pytest.raises(UsageError, match="'tides' is taken: it is what gentk-tides offers"):
        named("tides")


def test_a_distribution_and_a_package_of_the_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    fake(tmp_path, "gentk-ebb", "flow", GOOD.format(name="flow"), version="2.0")
    (tmp_path / "gentk_sea").mkdir()
    (tmp_path / "gentk_sea" / "__init__.py").touch()
    with pytest.raises(UsageError, match=r"'ebb' is taken: gentk-ebb 2\.0 is installed"):
        named("ebb")
    with pytest.raises(UsageError, match="'sea' is taken: a package gentk_sea can be imported already"):
        named("sea")


def test_files_that_are_there_stay(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for place in ("full", "file"):
        with pytest.raises(UsageError, match="is there already, and not an empty folder"):
            write(named("tides"), "gradient", tmp_path / place)
    with pytest.raises(UsageError, match="cannot write"):
        write(named("tides"), "gradient", tmp_path / "file" / "new")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full", "mine.txt"]
    (tmp_path / "empty").mkdir()
    assert len(write(named("tides"), "gradient", tmp_path / "empty")) == len(write(named("tides"), "gradient", tmp_path / "a" / "b"))


# ---------------------------------------------------------------- the command
def test_the_command_tells_where_and_what_next(tmp_path: Path) -> None:
    done = gentk("plugins", "new", "gentk-tides", "--kind", "denoiser", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    assert "gentk-tides: 11 files" in done.stdout and "gentk train --plugin tides --out runs/tides\n" in done.stdout
    again = gentk("plugins", "new", "tides", "--kind", "denoiser", cwd=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1) and "give another with --out" in again.stderr
    metric = gentk("plugins", "new", "waves", "--kind", "metric", cwd=tmp_path).stdout
    assert "gentk evaluate --metrics waves" in metric and "train" not in metric
    told = json.loads(gentk("plugins", "new", "tides", "--kind", "statistics", "--out", "other", "--json", cwd=tmp_path).stdout)
    assert (told["plugin"], told["distribution"], told["package"], told["folder"]) == ("tides", "gentk-tides", "gentk_tides", "other")
    assert all((tmp_path / "other" / name).is_file() for name in told["files"]) and len(told["files"]) == 11


@pytest.mark.parametrize(("words", "reason"), [([], "which --kind"), (["--kind", "denoisr"], "did you mean 'denoiser'")])
def test_the_kind_is_asked_for(words: list[str], reason: str, tmp_path: Path) -> None:
    done = gentk("plugins", "new", "tides", *words, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and reason in done.stderr and not list(tmp_path.iterdir())


def test_writing_a_plugin_imports_no_torch(tmp_path: Path) -> None:
    words = ["plugins", "new", "tides", "--kind", "gradient", "--json"]
    code = f"import sys; from gentk.cli import run; run({words}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert json.loads(done.stdout)["plugin"] == "tides"
    assert not {"torch", "numpy", "huggingface_hub", "gentk_ddpm", "gentk_ddpm.plugin"} & {*done.stderr.split()}


# ---------------------------------------------------------------- installed
@pytest.fixture(scope="module")
def new(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An environment in which a plugin of each kind is installed from its wheel; their folders are beside it."""
    desk = tmp_path_factory.mktemp("desk")
    for kind in KINDS:
        write(named(f"new-{kind}"), kind, desk / kind)
        command = [workshop.uv, "build", "--wheel", "--out-dir", desk / "dist", desk / kind]
        done = subprocess.run(command, env=workshop.env, capture_output=True)
        assert done.returncode == 0, done.stderr
    return workshop.environment(desk / "env", *sorted((desk / "dist").glob("*.whl")))


def test_each_kind_is_trained_and_sampled_and_measured(new: Installed) -> None:
    """In one process: importing torch takes longer than all of them. The new metric measures the new model of series."""
    commands = [
        words
        for kind in MODELS
        for words in (
            ["train", "--plugin", f"new-{kind}", "--out", f"runs/{kind}", "--max-steps", "5"],
            ["sample", "--weights", f"runs/{kind}", *KINDS[kind].flags.replace('"', "").split(), "--out", f"{kind}.npz"],
        )
    ]
    own = ["--metrics", "new-metric", "--featurizer", "new-metric"]
    commands.append(["evaluate", "--weights", "runs/statistics", *own, "-n", "300", "--no-cache"])
    done = new.run(new.python, "-c", f"from gentk.cli import run; print([run(words) for words in {commands}])")
    assert f"{[0] * len(commands)}" in done.stdout, done.stderr
    assert all((new.cwd / f"{kind}.npz").is_file() for kind in MODELS)
    [score] = json.loads((new.cwd / "runs/statistics/metrics.json").read_text("utf-8"))["scores"]
    assert score["name"] == "new-metric" and score["parameters"]["featurizer"] == "new-metric-1" and 0 < score["floor"] < 1


def test_the_tests_of_each_kind_pass(new: Installed) -> None:
    """The conformance kit among them: every check of every kind."""
    done = new.run(new.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *KINDS)
    assert done.returncode == 0, done.stdout
    passed, skipped = (int(re.findall(rf"(\d+) {word}", done.stdout)[-1]) for word in ("passed", "skipped"))
    assert passed > 100 and passed > 2 * skipped


def test_the_wheel_of_gentk_brings_the_templates(workshop: Workshop) -> None:
    [wheel] = workshop.wheels.glob("gentk_core-*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if "/scaffold/templates/" in name and not name.endswith("/")}
    place = "gentk/host/scaffold/templates/"
    assert inside == {place + str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {f"{place}{kind}/{'metric' if kind == 'metric' else 'model'}.py" for kind in KINDS} <= inside
    assert not any("/." in name for name in inside)
