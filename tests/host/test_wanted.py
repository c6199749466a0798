"""What may be given to an installer, and what is refused before one is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from gentk.errors import UsageError
from gentk.host.wanted import editable, wanted

PROJECT = '[project]\nname = "Gentk_Tides"\nversion = "1"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder holds gentk-tides, with a wheel."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gentk-tides" / "dist").mkdir(parents=True)
    (tmp_path / "gentk-tides" / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "gentk-tides" / "dist" / "gentk_tides-1-py3-none-any.whl").touch()
    return tmp_path / "gentk-tides"


@pytest.mark.parametrize(
    ("what", "text", "distribution"),
    [
        ("vae", "gentk-vae", "gentk-vae"),
        ("vae>=0.1,<2", "gentk-vae<2,>=0.1", "gentk-vae"),
        ("gentk-vae", "gentk-vae", "gentk-vae"),
        ("gentk_vae", "gentk_vae", "gentk-vae"),
        ("Gentk.Seas", "Gentk.Seas", "gentk-seas"),
        ("gentk-seas[plots]==1.2; python_version > '3'", "gentk-seas[plots]==1.2; python_version > \"3\"", "gentk-seas"),
        ("gentk-seas @ file:///srv/x.whl", "gentk-seas @ file:///srv/x.whl", "gentk-seas"),
        ("vea>=0", "vea>=0", "vea"),
    ],
)
def test_requirements(what: str, text: str, distribution: str) -> None:
    found = wanted(what)
    assert (found.text, found.distribution, found.editable) == (text, distribution, False)


def test_paths_are_absolute_and_named(folder: Path) -> None:
    for what in ("./gentk-tides", "gentk-tides/", str(folder), "../" + folder.parent.name + "/gentk-tides"):
        assert wanted(what).text == str(folder) and wanted(what).distribution == "gentk-tides"
    wheel = wanted("gentk-tides/dist/gentk_tides-1-py3-none-any.whl")
    assert wheel.text == str(folder / "dist" / "gentk_tides-1-py3-none-any.whl") and wheel.distribution == "gentk-tides"
    assert editable(folder.as_uri()) == editable("./gentk-tides") and editable("./gentk-tides").editable


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("-r", "is an option"),
        ("--index-url=http://evil", "is an option"),
        ("gentk", "gentk itself is no plugin"),
        ("Gentk>=0.1", "gentk itself is no plugin"),
        ("vea", "did you mean 'vae'?"),
        ("gentk-vea", "did you mean 'vae'?"),
        ("gentk-tides", "is a folder here: say ./gentk-tides"),
        ("two words", "is no plugin, distribution, wheel or folder"),
        ("", "is no plugin, distribution, wheel or folder"),
        ("$(touch x)", "is no plugin, distribution, wheel or folder"),
        ("./nothing", "is no folder and no wheel"),
        ("nothing.whl", "no file"),
        ("./gentk-tides/dist", "holds no pyproject.toml"),
        ("./empty", "has no [project] with a name"),
        ("./broken", "has no [project] with a name"),
        ("./tides.whl", "is no wheel"),
    ],
)
def test_refusals(what: str, said: str, folder: Path) -> None:
    for name, text in (("empty", ""), ("broken", "[project\n")):
        (folder.parent / name).mkdir()
        (folder.parent / name / "pyproject.toml").write_text(text)
    (folder.parent / "tides.whl").touch()
    with pytest.raises(UsageError) as refused:
        wanted(what)
    assert said in str(refused.value) and "\n" not in str(refused.value)
