"""The rooms of the house, its package folders and loose modules: arrows run down and never in a circle, as CONTRIBUTING.md draws them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "gentk"
LOOSE = "*.py"  # how the line says the ground floor: modules that stand in no folder
DOORS = {"__init__", "__main__"}  # above everything, as they only lead inside
BEGUN = Path("host/scaffold/templates")  # no part of the house: what is copied there begins a stranger's plugin
LINES = 400

Arrows = dict[tuple[str, str], list[str]]  # (from, to): where it is drawn


def modules(house: Path) -> dict[str, Path]:
    """Every module by its dotted name."""
    found = {}
    for path in sorted(house.rglob("*.py")):
        if not path.is_relative_to(house / BEGUN):
            name = path.relative_to(house.parent).with_suffix("").parts
            found[".".join(name[:-1] if name[-1] == "__init__" else name)] = path
    return found


def imported(name: str, path: Path, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    """(module, line) of each import in a file, wherever it stands: at the top, inside of a function, for type checkers."""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package.split(".")[: package.count(".") + 2 - node.level]) if node.level else ""
            base = ".".join(filter(None, [above, node.module]))
            yield from ((inner if (inner := f"{base}.{alias.name}") in known else base, node.lineno) for alias in node.names)


def room(name: str, house: str) -> str:
    return name.partition(".")[2].partition(".")[0] if name != house else "__init__"


def arrows(house: Path) -> Arrows:
    known, found = modules(house), Arrows()
    for name, path in known.items():
        for target, line in imported(name, path, known):
            here, there = room(name, house.name), room(target, house.name)
            if target.partition(".")[0] == house.name and here != there:
                found.setdefault((here, there), []).append(f"{path.relative_to(house.parent)}:{line}")
    return found


def circle(found: Arrows) -> list[str]:
    """Rooms each of which leads to the next and the last to the first; none where there is no circle."""
    inside: dict[str, set[str]] = {}
    for here, there in found:
        inside.setdefault(here, set()).add(there)
        inside.setdefault(there, set())
    while free := [here for here, there in inside.items() if not there & inside.keys()]:
        for here in free:
            del inside[here]
    way = sorted(inside)[:1]
    while way and way.count(way[-1]) < 2:
        way.append(min(inside[way[-1]] & inside.keys()))
    return way[way.index(way[-1]) : -1] if way else []


def floors(text: str) -> list[list[str]]:
    """The rooms of each floor, from the top, as the line in CONTRIBUTING.md says them."""
    found = re.search(r"Arrows run one way: `([^`]+)`", text)
    assert found, "CONTRIBUTING.md says nowhere how arrows run"
    return [floor.strip().split(", ") for floor in " ".join(found[1].split()).split("→")]


def upward(found: Arrows, order: list[list[str]], house: Path) -> list[str]:
    """Arrows that do not lead to a lower floor. Those between loose modules are free, as long as they are no circle."""
    height = {name: -i for i, floor in enumerate(order) for name in floor}
    wrong = []
    for (here, there), places in found.items():
        ends = [1 if name in DOORS else height[name if (house / name).is_dir() else LOOSE] for name in (here, there)]
        if ends[0] <= ends[1] and not ends[0] == ends[1] == height[LOOSE] and not {here, there} <= DOORS:
            wrong.append(f"{here} → {there}: {', '.join(places)}")
    return wrong


def lengthy(house: Path) -> list[str]:
    return [str(path) for path in house.rglob("*.py") if len(path.read_text("utf-8").splitlines()) > LINES]


def test_no_circle_leads_through_rooms() -> None:
    assert not circle(arrows(HOUSE))


def test_arrows_run_down_the_floors_that_the_document_says() -> None:
    order = floors((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    folders = {path.parent.name for path in HOUSE.glob("*/__init__.py")}
    assert sorted(name for floor in order for name in floor) == sorted([*folders, LOOSE]) and order[-1] == [LOOSE]
    assert not upward(arrows(HOUSE), order, HOUSE)


def test_no_file_is_too_long() -> None:
    assert not lengthy(HOUSE)


# ---------------------------------------------------------------- that these tests can fail
@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Upstairs asks downstairs, and both the ground floor."""
    files = {
        "__init__.py": "from .up.asking import ask as ask",
        "__main__.py": "from .up import asking",
        "ground.py": "",
        "other.py": "from .ground import a",
        "up/__init__.py": "",
        "up/asking.py": "from ..down import answering\nfrom .. import ground",
        "down/__init__.py": "",
        "down/answering.py": "import numpy\nfrom house import other",
        "host/scaffold/templates/begun/plugin.py": "from house.up import asking",
    }
    for name, text in files.items():
        (tmp_path / "house" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "house" / name).write_text(text + "\n")
    return tmp_path / "house"


ORDER = [["up"], ["down"], [LOOSE]]


def test_a_sound_house_is_sound(house: Path) -> None:
    found = arrows(house)
    assert set(found) == {
        ("__init__", "up"), ("__main__", "up"), ("up", "down"), ("up", "ground"), ("down", "other"), ("other", "ground"),
    }  # fmt: skip
    assert not circle(found) and not upward(found, ORDER, house) and not lengthy(house)


@pytest.mark.parametrize(
    "text",
    [
        "from ..up import asking",
        "import house.up.asking",
        "from house.up.asking import ask",
        "def f():\n    from .. import up",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..up.asking import ask",
        "from .. import ask",
    ],
)
def test_an_arrow_that_runs_up_is_found_wherever_it_stands(text: str, house: Path) -> None:
    (house / "down" / "answering.py").write_text(text)
    found = arrows(house)
    assert len(wrong := upward(found, ORDER, house)) == 1 and "house/down/answering.py:" in wrong[0]
    assert {"down", "up"} <= set(circle(found))


def test_a_circle_of_loose_modules_is_found_and_rooms_beside_it_are_not(house: Path) -> None:
    (house / "ground.py").write_text("from . import other")
    assert sorted(circle(arrows(house))) == ["ground", "other"] and not upward(arrows(house), ORDER, house)


def test_rooms_of_one_floor_lead_to_none_of_it(house: Path) -> None:
    assert upward(arrows(house), [["up", "down"], [LOOSE]], house)
    assert floors("- Arrows run one way: `up → down, side →\n  *.py`.") == [["up"], ["down", "side"], [LOOSE]]


def test_a_long_file_is_found(house: Path) -> None:
    (house / "ground.py").write_text("\n" * (LINES + 1))
    assert lengthy(house) == [str(house / "ground.py")]
