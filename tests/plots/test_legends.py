"""A legend says what the data call a class, in the colour that the class is drawn in."""

from __future__ import annotations

import numpy as np
import pytest

from gentk import legends
from gentk.protocols import Column, Leaf
from gentk.style import figure, named

SPECIES = Leaf(classes=3, names=("setosa", "versicolor", "virginica"), columns=(Column(name="species", kind="category"),))


def test_classes_are_called_what_the_data_call_them() -> None:
    key = legends.classes(np.array([2, 0, 2, 3]), SPECIES)
    assert [name for name, _ in key.entries.values()] == ["setosa", "virginica", "none"]
    assert key.of(np.array([2, 0]), "x") == [key.entries[2][1], key.entries[0][1]] and key.of(None, "x") == "x"
    assert [handle.get_label() for handle in key.handles()] == ["setosa", "virginica", "none"]
    assert [handle.get_color() for handle in key.handles()] == [colour for _, colour in key.entries.values()]
    assert legends.column_of(SPECIES) == "species" and legends.column_of(Leaf(classes=3)) == ""


def test_without_names_a_number_is_said_to_be_a_class() -> None:
    assert legends.classes(np.array([1]), Leaf(classes=2)).entries[1][0] == "class 1" and legends.classes(None, None).handles() == []


def test_a_class_has_one_colour_whatever_else_occurs() -> None:
    for classes in (3, 40):
        about = Leaf(classes=classes)
        alone, among = (legends.classes(np.array(list(labels)), about).entries[2][1] for labels in ([2], range(classes)))
        assert alone == among
        assert len({colour for _, colour in legends.classes(np.arange(classes), about).entries.values()}) == classes


@pytest.mark.parametrize("classes", [legends.MOST, legends.MOST + 7])
def test_a_legend_ends_somewhere_and_says_so(classes: int) -> None:
    told = [handle.get_label() for handle in legends.classes(np.arange(classes), Leaf(classes=classes)).handles()]
    assert told[: legends.MOST] == [f"class {k}" for k in range(legends.MOST)]
    assert told[legends.MOST :] == (["… 7 more"] if classes > legends.MOST else [])


def test_any_name_is_text_and_fits() -> None:
    """A name with dollar signs is no formula, and a long one is cut."""
    made, (axes,) = figure(3, 3)
    odd = Leaf(classes=2, names=("costs $5^ $", "x" * 99), columns=(Column(name="$\\no $", kind="category"),))
    legends.classes(np.array([0, 1]), odd).beside(made, 0.5, 7, legends.column_of(odd))
    named(axes, "$^ $", "$^ $", "$^ $")
    made.canvas.draw()  # of a formula that is none, matplotlib raises
    assert len(legends.name(1, odd)) == 99 and len(legends.classes(np.array([1]), odd).entries[1][0]) == legends.LONGEST
