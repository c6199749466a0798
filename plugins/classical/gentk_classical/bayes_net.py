"""Discrete variables on a directed graph (Pearl 1985; Koller and Friedman 2009, chapters 3, 9 and 17), given, or the likeliest tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.columns import resolution, valid
from gentk.errors import UsageError, did_you_mean
from gentk.protocols import Batch, DataSpec, Noise

from . import cuts, graph, trees
from .config import BayesNetConfig
from .factors import Factor, eliminate


class BayesNet(nn.Module):
    """p(x) = Π_v p(x_v | x_pa(v)), each factor a table; x (V,) int64, column v the state of variable v, or a row of a table.

    One pass counts. p(k | parents) = (N_k + α) / (Σ_j N_j + α K), the posterior mean under a Dirichlet prior with α = `smoothing` for
    each of K states; α = 0 is maximum likelihood, and parents never seen then leave the states equally likely.
    Table v is a float64 buffer `table{v}` with the parents' dimensions first, in the order of the config, and the variable's last.

    Without `parents` in the config it learns a tree: the one with the greatest mutual information between neighbours, which is the
    likeliest of all (Chow & Liu 1968), away from the first column; of each pair over the rows that have both. Its state is parent (V,)
    int64, −1 of the root, and tables (V, S, S) float64 with S the most states of a variable, of which `table(v)` shows what is used.

    Numbers of a table are cut into bins of equal counts, `edges{v}` (bins + 1,), uniform within and with tails at both ends; a number that
    often has one value has a bin for it (see `cuts`). log p(x) is then a density of the numbers and a mass of the states and of such
    values; −∞ beyond such a value that is the least or the greatest. Where cells are missing, log p(x) is of those that are there, and the
    tables of a tree are fitted by EM, from the pairs that are there on; a graph with two parents somewhere needs whole rows.
    """

    Config = BayesNetConfig
    columns = True
    likelihood: Literal["exact"] = "exact"
    conditions: Mapping[str, Any] = {}
    parent: Tensor
    tables: Tensor

    def __init__(self, config: BayesNetConfig, data: DataSpec) -> None:
        super().__init__()
        x = data.leaves["x"]
        cut = [column.kind != "category" and not x.classes for column in x.columns]
        if one := [c.name for c, number in zip(x.columns, cut, strict=True) if not x.classes and not number and len(c.names) < 2]:
            raise UsageError(f"the column '{one[0]}' has a single state, which tells nothing: drop it")
        config = _named(config, data)
        self.config, self.data, self.start_size = config, data, config.rows
        self.names, self.sizes = list(config.variables), graph.sizes(config.states)
        if x.shape != (len(self.names),) or not (x.classes or x.columns):
            raise UsageError(f"the graph has {len(self.names)} discrete variables, these data have x {x.shape} with {x.classes} classes")
        if x.classes > max(self.sizes):  # fewer: a declared state that these data happen not to have
            raise UsageError(f"the states of the graph are {max(self.sizes)} at most, these data have {x.classes} classes")
        self.numbers = [v for v, number in enumerate(cut) if number]
        self.steps = {v: resolution(x.columns[v]) for v in self.numbers}
        self.gaps = any(column.missing for column in x.columns)
        self._found: tuple[trees.Tree | None, list[int], list[list[int]]] | None = None
        if config.parents is None:
            self._learns()
        else:
            self._given(config.parents)
            if self.gaps and self.tree is None:
                gap = next(column.name for column in x.columns if column.missing)
                raise UsageError(f"'{gap}' is missing in some rows, and this graph, no tree, needs whole ones: leave out parents")
        self.passes = config.passes if self.gaps else 1
        for v in self.numbers:
            edges = torch.arange(self.sizes[v] + 1, dtype=torch.float64) / self.sizes[v]
            self.register_buffer(f"edges{v}", edges)

    def _learns(self) -> None:
        """A tree without branches, until `start`."""
        most = max(self.sizes)
        if sum(self.sizes) > trees.LARGEST:
            many = f"{sum(self.sizes):,} states, and the pairs of {trees.LARGEST:,} at most are counted"
            raise UsageError(f"a tree cannot be learned of {len(self.names)} variables with {many}: give parents, or drop columns")
        if (entries := len(self.sizes) * most**2) > graph.LARGEST:
            raise UsageError(f"the tables of a tree would have {entries:,} entries, more than {graph.LARGEST:,}: give parents")
        tables = torch.zeros(len(self.sizes), most, most, dtype=torch.float64)
        for v, size in enumerate(self.sizes):
            tables[v, :, :size] = 1 / size
        self.register_buffer("parent", torch.full((len(self.sizes),), -1))
        self.register_buffer("tables", tables)

    def _given(self, parents: Mapping[str, Sequence[str]]) -> None:
        families = [[*(self.names.index(p) for p in parents.get(name, ())), v] for v, name in enumerate(self.names)]
        order = graph.order(self.names, parents)
        tree = trees.Tree(order, [family[0] if len(family) > 1 else -1 for family in families])
        self._found = (tree if all(len(family) < 3 for family in families) else None, order, families)
        for v, family in enumerate(families):
            shape = [self.sizes[i] for i in family]
            self.register_buffer(f"table{v}", torch.full(shape, 1 / self.sizes[v], dtype=torch.float64))

    # ---- the graph
    def _graph(self) -> tuple[trees.Tree | None, list[int], list[list[int]]]:
        """(the tree, if it is one; the variables, each after its parents; each one's parents, and itself)."""
        if self.config.parents is not None:
            assert self._found is not None
            return self._found
        parent = self.parent.tolist()
        if self._found is None or self._found[0] is None or self._found[0].parent != parent:
            order = graph.order(self.names, {self.names[v]: (self.names[p],) for v, p in enumerate(parent) if p >= 0})
            self._found = (trees.Tree(order, parent), order, [[p, v] if p >= 0 else [v] for v, p in enumerate(parent)])
        return self._found

    @property
    def tree(self) -> trees.Tree | None:
        """None of a graph with two parents somewhere."""
        return self._graph()[0]

    @property
    def order(self) -> list[int]:
        return self._graph()[1]

    @property
    def families(self) -> list[list[int]]:
        return self._graph()[2]

    def table(self, v: int) -> Tensor:
        """p(x_v | parents), (sizes of the parents …, size of v)."""
        if self.config.parents is not None:
            return self.get_buffer(f"table{v}")
        parent = int(self.parent[v])
        return self.tables[v, : self.sizes[parent], : self.sizes[v]] if parent >= 0 else self.tables[v, 0, : self.sizes[v]]

    def _rows(self) -> list[Tensor]:
        """The tables of a tree, (states of the parent, states); a root's has one row."""
        return [self.table(v).reshape(-1, size) for v, size in enumerate(self.sizes)]

    def edges(self, v: int) -> Tensor:
        return self.get_buffer(f"edges{v}")

    def codes(self, x: Tensor) -> Tensor:
        """States (n, V) int64 of rows, −1 where they are missing. Raises UsageError for one that its variable does not have."""
        if not x.is_floating_point():
            return self._checked(x)
        found = torch.where(x.isnan(), -1.0, x).long()
        for v in self.numbers:
            found[:, v] = cuts.state(self.edges(v), x[:, v].double())
        return self._checked(found, gaps=x.isnan())

    # ---- the fit
    def start(self, batch: Batch) -> None:
        """The edges of the bins and the tree, both for good, and of what is missing tables for EM to begin with."""
        x = batch["x"]
        for v in self.numbers:
            there = x[:, v].double()[~x[:, v].isnan()]
            if not len(there):
                raise UsageError(f"the column '{self.names[v]}' is missing in every row: drop it")
            self.edges(v).copy_(cuts.cut(there, self.sizes[v], self.data.leaves["x"].columns[v]))
        if self.config.parents is not None and not self.gaps:
            return
        counts = trees.pair_counts(self.codes(x), self.sizes)
        if self.config.parents is None:
            self.parent.copy_(torch.tensor(trees.spanning_tree(trees.mutual_information(counts, self.sizes))))
        if self.gaps:
            ends = torch.tensor([0, *self.sizes]).cumsum(0).tolist()
            for v, family in enumerate(self.families):
                own = counts[:, ends[v] : ends[v + 1]]
                p = family[0]
                self._shares(v, own[ends[p] : ends[p + 1]] if len(family) > 1 else own[ends[v] : ends[v + 1]].diagonal())

    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """How often each state of a variable was seen, or is expected, with each of its parents, in the shape of its table."""
        x = self.codes(batch["x"])
        told = {"examples": torch.tensor(float(len(x)), dtype=torch.float64, device=x.device)}
        if self.numbers:
            told["volume"] = self._volume(batch["x"], x).nan_to_num(posinf=0.0).sum()
        if self.gaps:
            assert self.tree is not None
            tables = self._rows()
            up = trees.upward(self.tree, tables, x)
            told["log_likelihood"] = up.log.sum()
            counts = trees.expected_counts(self.tree, tables, up)
            return told | {f"counts{v}": count.reshape(self.table(v).shape) for v, count in enumerate(counts)}
        for v, family in enumerate(self.families):
            table = self.table(v)
            told[f"counts{v}"] = torch.bincount(self._entry(x, family), minlength=table.numel()).double().reshape(table.shape)
        return told

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        """The tables. What it tells is the log-likelihood before, of numbers that can be."""
        total = float(stats["log_likelihood"]) if self.gaps else 0.0
        for v in range(len(self.sizes)):
            counts = stats[f"counts{v}"]
            if not self.gaps:
                total += float(torch.special.xlogy(counts, self.table(v)).sum())  # 0 log 0 = 0
            self._shares(v, counts)
        total -= float(stats.get("volume", 0.0))
        return {"log_likelihood": total / float(stats["examples"])}

    def _shares(self, v: int, counts: Tensor) -> None:
        """Table v of counts in its shape. A bin that no row can be in has no share."""
        smooth, table = counts + self.config.smoothing, self.table(v)
        if v in self.numbers:
            smooth = smooth * cuts.used(self.edges(v))
        rows = smooth.sum(-1, keepdim=True)
        table.copy_(torch.where(rows > 0, smooth / rows, torch.full_like(smooth, 1 / self.sizes[v])))

    # ---- what it can do
    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        """log p(x), exact: (n,)."""
        x = self.codes(batch["x"])
        if self.gaps or bool((x < 0).any()):
            found = trees.upward(self._whole(), self._rows(), x).log
        else:
            parts = [self.table(v).flatten()[self._entry(x, family)].log() for v, family in enumerate(self.families)]
            found = torch.stack(parts).sum(0)
        return found - self._volume(batch["x"], x) if self.numbers else found

    def _whole(self) -> trees.Tree:
        if (tree := self.tree) is None:
            raise UsageError("this graph is no tree, and its likelihood is of whole rows: gentk impute fills in what is missing")
        return tree

    def _volume(self, x: Tensor, states: Tensor) -> Tensor:
        """(n,) −log of the density of a row's numbers in the bins that they are in."""
        return torch.stack([cuts.log_volume(self.edges(v), x[:, v].double(), states[:, v], self.steps[v]) for v in self.numbers]).sum(0)

    def _row(self, states: Tensor, noise: Noise) -> Tensor:
        """Rows of the data (n, V) of their states: numbers drawn within their bins, as their columns can hold them."""
        x = states.double() if self.data.leaves["x"].double else states
        if self.numbers:
            u = noise.fork("within").uniform(len(self.numbers)).to(x)
            for i, v in enumerate(self.numbers):
                x[:, v] = cuts.within(self.edges(v), states[:, v], u[:, i], self.steps[v])
            return valid(x, self.data.leaves["x"].columns)
        return x

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        """Ancestral sampling: each variable given its parents, which were drawn before it. (n, V)."""
        x = torch.zeros(n, len(self.names), dtype=torch.int64, device=self.table(0).device)
        for v in self.order:
            given = self.table(v)[tuple(x[:, i] for i in self.families[v][:-1])]
            x[:, v] = noise.categorical(given.expand(n, -1).log())
        return self._row(x, noise)

    def query(self, targets: str | Sequence[str], evidence: Mapping[str, int | str] | None = None) -> Tensor:
        """P(targets | evidence), exact: a table with a dimension per target, in their order, summing to 1.

        States are numbers or names. Raises UsageError for an unknown variable or state, a target that is evidence too, and for
        evidence of probability zero.
        """
        wanted = [self._place(name) for name in ([targets] if isinstance(targets, str) else targets)]
        given = {self._place(name): self._state(name, state) for name, state in (evidence or {}).items()}
        if not wanted or len(set(wanted)) < len(wanted) or set(wanted) & set(given):
            raise UsageError("the targets of a query are one variable or more, each named once and none of them evidence")
        x = torch.zeros(1, len(self.names), dtype=torch.int64, device=self.table(0).device)
        for v, state in given.items():
            x[0, v] = state
        answer = self._posterior(wanted, list(given), x)[0]
        if bool(answer.isnan().any()):
            raise UsageError(f"this evidence has probability zero: {', '.join(f'{k} = {s}' for k, s in (evidence or {}).items())}")
        return answer

    def impute(self, batch: Batch, known: Tensor, noise: Noise) -> Tensor:
        """Draws from p(unknown | known), exact: of a tree from the root on, all rows at once; of another graph one unknown after the
        other, each given those before it, rows of one pattern together.

        Raises UsageError where the known values cannot be together.
        """
        x = batch["x"]
        states = self.codes(x.where(known, torch.nan if x.is_floating_point() else 0))
        if (tree := self.tree) is not None:
            states = states.masked_fill(~known, -1)
            up = trees.upward(tree, self._rows(), states)
            self._possible(up.log.isinf())
            states = trees.drawn(tree, self._rows(), up, states, noise)
        else:
            states = self._eliminated(states.clone(), known, noise)
        return torch.where(known, x, self._row(states, noise).to(x))

    def _eliminated(self, x: Tensor, known: Tensor, noise: Noise) -> Tensor:
        for pattern in torch.unique(known, dim=0):
            rows = (known == pattern).all(1).nonzero()[:, 0]
            part, streams = x[rows], noise[rows.tolist()]
            seen = pattern.nonzero()[:, 0].tolist()
            for v in (v for v in self.order if v not in seen):
                chances = self._posterior([v], seen, part)
                self._possible(torch.zeros(len(x), dtype=torch.bool, device=x.device).index_put((rows,), chances.isnan().any(1)))
                part[:, v] = streams.categorical(chances.log())
                seen = [*seen, v]
            x[rows] = part
        return x

    def _possible(self, wrong: Tensor) -> None:
        if bool(wrong.any()):
            raise UsageError(f"the known values of example {int(wrong.nonzero()[0, 0])} have probability zero")

    def facts(self) -> dict[str, Any]:
        """Each variable's states, its parents, and its table: one row per combination of the parents' states, the last fastest."""
        found = {}
        for v, name in enumerate(self.names):
            given = [self.names[i] for i in self.families[v][:-1]]
            found[name] = {"states": self._states(v), "given": given, "table": self.table(v).tolist()}
        return {"variables": found, "parameters": sum(self.table(v).numel() // size * (size - 1) for v, size in enumerate(self.sizes))}

    # ---- the arithmetic they share
    def _entry(self, x: Tensor, family: Sequence[int]) -> Tensor:
        """Where in a table's flat memory the rows of x (n, V) look: (n,)."""
        place = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        for v in family:
            place = place * self.sizes[v] + x[:, v]
        return place

    def _posterior(self, targets: Sequence[int], seen: Sequence[int], x: Tensor) -> Tensor:
        """P(targets | x_v for v in `seen`), for each row of x (n, V): (n, sizes of the targets). NaN where the evidence cannot be.

        What is neither a target nor seen nor before one of them sums to one and is left out.
        """
        needed = set(targets) | set(seen)
        for v in reversed(self.order):
            needed |= set(self.families[v]) if v in needed else set()
        factors: list[Factor] = []
        for v in sorted(needed):
            family, table = self.families[v], self.table(v)
            free = [i for i, name in enumerate(family) if name not in seen]
            held = [i for i, name in enumerate(family) if name in seen]
            table = table.permute(*held, *free)
            rows = table[tuple(x[:, family[i]] for i in held)] if held else table[None]
            factors.append((tuple(family[i] for i in free), rows))
        answer = eliminate(factors, targets)
        return answer.expand(len(x), *answer.shape[1:])

    def _checked(self, x: Tensor, gaps: Tensor | None = None) -> Tensor:
        """x, if every value that is not in `gaps` is a state of its variable. Raises UsageError."""
        wrong = (x < 0) | (x >= torch.tensor(self.sizes, device=x.device))
        wrong = wrong if gaps is None else wrong & ~gaps
        if bool(wrong.any()):
            row, v = wrong.nonzero()[0].tolist()
            raise UsageError(f"example {row}: {self.names[v]} = {int(x[row, v])}, its states are 0 to {self.sizes[v] - 1}")
        return x

    def _states(self, v: int) -> list[str]:
        states = self.config.states[v]
        if v in self.numbers:
            return cuts.names(self.edges(v), self.steps[v])
        names = self.data.leaves["x"].names
        return list(states) if not isinstance(states, int) else list(names) if len(names) == states else [str(i) for i in range(states)]

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise UsageError(f"there is no variable '{name}'{did_you_mean(name, self.names)}")
        return self.names.index(name)

    def _state(self, name: str, state: int | str) -> int:
        v = self._place(name)
        states = self._states(v)
        if isinstance(state, str) and state in states:
            return states.index(state)
        if isinstance(state, bool) or not isinstance(state, int) or not 0 <= state < self.sizes[v]:
            raise UsageError(f"{name} has no state {state!r}{did_you_mean(str(state), states)}")
        return state


def _named(config: BayesNetConfig, data: DataSpec) -> BayesNetConfig:
    """The config with a variable for each column, where it names none."""
    x = data.leaves["x"]
    if config.variables or len(x.shape) != 1:
        return config
    if x.columns and not x.classes:
        states = tuple(c.names if c.kind == "category" else config.bins for c in x.columns)
        return config.model_copy(update={"variables": tuple(c.name for c in x.columns), "states": states})
    if not x.classes:
        return config
    columns = tuple(f"x{i}" for i in range(x.shape[0]))
    return config.model_copy(update={"variables": columns, "states": (x.classes,) * len(columns)})
