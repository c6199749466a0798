"""A directed graph of named discrete variables: what is wrong with one, and in what order its variables can be drawn. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gentk.errors import did_you_mean

LARGEST = 2**24
"""Entries that one table may have."""


def sizes(states: Sequence[int | Sequence[str]]) -> tuple[int, ...]:
    """How many states each variable has."""
    return tuple(state if isinstance(state, int) else len(state) for state in states)


def check(variables: Sequence[str], states: Sequence[int | Sequence[str]], parents: Mapping[str, Sequence[str]]) -> None:
    """Raises ValueError, in one line, for a graph that is none."""
    if twice := [name for name in variables if list(variables).count(name) > 1]:
        raise ValueError(f"the variable '{twice[0]}' is named twice")
    if len(states) != len(variables):
        raise ValueError(f"{len(variables)} variables and the states of {len(states)}: give one entry each")
    for name, names in zip(variables, states, strict=True):
        if not isinstance(names, int) and (len(names) < 2 or len(set(names)) < len(names)):
            raise ValueError(f"the states of '{name}' are {list(names)}: give two or more different names")
    size = dict(zip(variables, sizes(states), strict=True))
    for child, given in parents.items():
        for name in (child, *given):
            if name not in size:
                raise ValueError(f"parents: there is no variable '{name}'{did_you_mean(name, variables)}")
        if child in given:
            raise ValueError(f"parents: '{child}' is its own parent")
        if len(set(given)) < len(given):
            raise ValueError(f"parents: '{child}' has a parent twice")
        entries = size[child]
        for name in given:
            entries *= size[name]
        if entries > LARGEST:
            raise ValueError(f"parents: the table of '{child}' would have {entries:,} entries, more than {LARGEST:,}")
    order(variables, parents)


def order(variables: Sequence[str], parents: Mapping[str, Sequence[str]]) -> list[int]:
    """The places of the variables, each after its parents (Kahn 1962). Raises ValueError, naming a circle."""
    done: dict[str, int] = {}
    left = {name: i for i, name in enumerate(variables)}
    while left:
        ready = {name: i for name, i in left.items() if all(parent in done for parent in parents.get(name, ()))}
        if not ready:
            raise ValueError(f"parents: the graph has a circle: {' → '.join(circle(list(left), parents))}")
        done |= ready
        left = {name: i for name, i in left.items() if name not in ready}
    return list(done.values())


def circle(left: Sequence[str], parents: Mapping[str, Sequence[str]]) -> list[str]:
    """One way along the arrows that comes back to where it began; each of `left` has a parent among them."""
    path = [left[0]]
    while path[-1] not in path[:-1]:
        path.append(next(parent for parent in parents[path[-1]] if parent in left))
    return path[path.index(path[-1]) :][::-1]
