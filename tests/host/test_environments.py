"""Which environment a prefix is, and the command lines for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gentk.errors import GentkError
from gentk.host.environments import Options, Pip, Pipx, Sources, UvPip, UvProject, UvTool, here
from gentk.host.wanted import Wanted, wanted


def vae() -> list[Wanted]:
    return [wanted("vae"), Wanted("/srv/gentk-seas", "gentk-seas", editable=True)]


LOCAL = Options(("/w",), no_index=True, upgrade=True)


def test_pipx(tmp_path: Path) -> None:
    (tmp_path / "pipx_metadata.json").touch()
    made = here(tmp_path)
    assert isinstance(made, Pipx)
    flags = "--pip-args=--find-links /w --no-index --upgrade"
    assert made.install(vae(), LOCAL) == [["pipx", "inject", tmp_path.name, flags, "gentk-vae", "--editable", "/srv/gentk-seas"]]
    assert made.install(vae()[:1], Options()) == [["pipx", "inject", tmp_path.name, "gentk-vae"]]
    assert made.uninstall(["gentk-vae"], LOCAL) == [["pipx", "uninject", tmp_path.name, "gentk-vae"]]


def test_conda_has_its_own_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gentk.host.environments.find_spec", lambda name: object())
    assert isinstance(here(tmp_path), UvPip)
    (tmp_path / "conda-meta").mkdir()
    made = here(tmp_path)
    assert isinstance(made, Pip)
    [line] = made.install(vae(), LOCAL)
    flags = ["--find-links", "/w", "--no-index", "--upgrade"]
    assert line[1:] == ["-m", "pip", "install", *flags, "gentk-vae", "--editable", "/srv/gentk-seas"]
    assert made.uninstall(["gentk-vae"], LOCAL)[0][1:] == ["-m", "pip", "uninstall", "--yes", "gentk-vae"]


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV", "/bin/uv")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('[project]\nname = "study"\n[tool.uv]\n', UvProject),
        ('[project]\nname = "study"\n[tool.uv]\nmanaged = false\n', UvPip),
        ('[project]\nname = "study"\n', UvPip),
        ('[project]\nname = "Gentk_Core"\n[tool.uv]\n', Sources),
        ("[project\n", UvPip),
    ],
)
def test_a_project_is_uvs_where_uv_has_left_its_mark(text: str, kind: type, tmp_path: Path, uv: None) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert type(here(tmp_path / ".venv")) is kind
    assert type(here(tmp_path / "other")) is UvPip
    (tmp_path / "uv.lock").touch()
    assert (type(here(tmp_path / ".venv")) is UvProject) == (kind is UvProject or text == '[project]\nname = "study"\n')


def test_a_project_takes_folders_that_stay_where_they_lie(tmp_path: Path, uv: None) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "study"\n[tool.uv]\n')
    made = here(tmp_path / ".venv")
    plain, stays = made.install(vae(), LOCAL)
    start = ["/bin/uv", "add", "--project", str(tmp_path), "--find-links", "/w", "--no-index", "--upgrade-package"]
    assert plain == [*start, "gentk-vae", "gentk-vae"] and stays == [*start, "gentk-seas", "--editable", "/srv/gentk-seas"]


def test_a_workspace_without_a_project_of_its_own(tmp_path: Path, uv: None) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["a"]\n')
    with pytest.raises(GentkError, match="uv add --package MEMBER"):
        here(tmp_path / ".venv")


RECEIPT = """
[tool]
requirements = [
    { name = "jupyter", extras = ["all"], specifier = "==1" },
    { name = "gentk-core", editable = "/srv/gentk" },
    { name = "gentk-vae", marker = "python_full_version >= '3.12'", specifier = ">=0.1,<3" },
    { name = "gentk-a", path = "/srv/a b.whl" },
    { name = "gentk-b", directory = "/srv/b" },
    { name = "gentk-c", git = "https://example.org/c?subdirectory=d&rev=v1" },
    { name = "gentk-d", url = "https://example.org/d.whl" },
]
python = "3.12"
entrypoints = [
    { name = "jupyter", install-path = "/bin/jupyter", from = "jupyter" },
    { name = "gentk", install-path = "/bin/gentk", from = "gentk-core" },
]
[tool.options]
index = [{ url = "http://a/simple", default = true, explicit = false }, { name = "b", url = "http://b/simple", default = false }]
find-links = ["file:///x"]
no-index = true
prerelease = "allow"
compile-bytecode = false
"""


def test_all_that_a_receipt_says_is_said_again(tmp_path: Path, uv: None) -> None:
    (tmp_path / "uv-receipt.toml").write_text(RECEIPT)
    made = here(tmp_path)
    assert isinstance(made, UvTool)
    [line] = made.install([wanted("vae"), wanted("gentk-seas==2")], Options(("/w",), no_index=True))
    assert line == [
        "/bin/uv", "tool", "install", "--python", "3.12", "--default-index", "http://a/simple", "--index", "b=http://b/simple",
        "--find-links", "file:///x", "--prerelease", "allow", "--find-links", "/w", "--no-index", "jupyter[all]==1",
        "--with-editable", "/srv/gentk", "--with", "gentk-a @ file:///srv/a%20b.whl", "--with", "gentk-b @ file:///srv/b",
        "--with", "gentk-c @ git+https://example.org/c@v1#subdirectory=d", "--with", "gentk-d @ https://example.org/d.whl",
        "--with-executables-from", "gentk-core", "--with", "gentk-vae", "--with", "gentk-seas==2",
    ]  # fmt: skip
    [line] = made.uninstall(["gentk-a", "gentk-b", "gentk-c", "gentk-d"], Options())
    assert line[-6:] == ["--with-editable", "/srv/gentk", "--with", "gentk-vae>=0.1,<3 ; python_full_version >= '3.12'", *line[-2:]]
    [line] = made.install([Wanted("/srv/gentk-seas", "gentk-seas", editable=True)], Options())
    assert line[-2:] == ["--with-editable", "/srv/gentk-seas"] and line.count("--no-index") == 1


def test_a_tool_that_is_itself_editable(tmp_path: Path, uv: None) -> None:
    (tmp_path / "uv-receipt.toml").write_text('[tool]\nrequirements = [{ name = "gentk-core", editable = "/srv/gentk" }]\n')
    assert here(tmp_path).install([wanted("vae")], Options()) == [
        ["/bin/uv", "tool", "install", "--editable", "/srv/gentk", "--with", "gentk-vae"]
    ]


GENTK = '[tool]\nrequirements = [{ name = "gentk-core" }]\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GENTK + 'constraints = [{ name = "numpy", specifier = "<3" }]\n', "has constraints, which would be lost"),
        (GENTK + '[tool.options]\nbuild-isolation = { shared-package = ["x"] }\n', "has build-isolation"),
        ("[tool]\n", "is not as uv writes it"),
        ("tool = 3\n", "is not as uv writes it"),
        ("[tool\n", "is not as uv writes it"),
    ],
)
def test_a_receipt_that_cannot_be_repeated_is_not(text: str, said: str, tmp_path: Path, uv: None) -> None:
    (tmp_path / "uv-receipt.toml").write_text(text)
    with pytest.raises(GentkError) as refused:
        here(tmp_path).install([wanted("vae")], Options())
    assert said in str(refused.value) and "\n" not in str(refused.value)
