"""Discrete variables on a directed graph, given or learned as a tree (Pearl 1985; Koller and Friedman 2009, chapters 3, 9 and 17)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gentk.errors import UsageError, did_you_mean
from gentk.protocols import Batch, DataSpec, Noise

from . import chow_liu, graph
from .config import BayesNetConfig
from .factors import Factor, eliminate


class BayesNet(nn.Module):
    """p(x) = Π_v p(x_v | x_pa(v)), each factor a table; x (V,) int64, column v the state of variable v.

    One pass counts. p(k | parents) = (N_k + α) / (Σ_j N_j + α K), the posterior mean under a Dirichlet prior with α = `smoothing` for
    each of K states; α = 0 is maximum likelihood, and parents never seen then leave the states equally likely.
    Where no parents are given, the same pass counts all pairs, and the graph becomes the tree of Chow and Liu (1968): `config` then has it.
    Table v is a float64 buffer `table{v}` with the parents' dimensions first, in the order of the config, and the variable's last.
    """

    Config = BayesNetConfig
    columns = True
    likelihood: Literal["exact"] = "exact"
    passes = 1
    conditions: Mapping[str, Any] = {}

    def __init__(self, config: BayesNetConfig, data: DataSpec) -> None:
        super().__init__()
        x = data.leaves["x"]
        if wrong := [column.name for column in x.columns if not x.classes and (column.kind != "category" or len(column.names) < 2)]:
            raise UsageError(f"a Bayesian network is of categories, and the column '{wrong[0]}' is none: drop it, or take gmm or copula")
        if gaps := [column.name for column in x.columns if column.missing]:
            raise UsageError(f"a Bayesian network is counted in whole rows, and '{gaps[0]}' is missing in some: gentk impute fills it in")
        config = _named(config, data)
        self.config, self.data = config, data
        self.names, self.sizes = list(config.variables), graph.sizes(config.states)
        if x.shape != (len(self.names),) or not (x.classes or x.columns):
            raise UsageError(f"the graph has {len(self.names)} discrete variables, these data have x {x.shape} with {x.classes} classes")
        if x.classes > max(self.sizes):  # fewer: a declared state that these data happen not to have
            raise UsageError(f"the states of the graph are {max(self.sizes)} at most, these data have {x.classes} classes")
        self.learned = config.parents is None
        if self.learned and sum(self.sizes) > chow_liu.LARGEST:
            many = f"{sum(self.sizes):,} states, and the pairs of {chow_liu.LARGEST:,} at most are counted"
            raise UsageError(f"a tree cannot be learned of {len(self.names)} variables with {many}: give parents, or drop columns")
        if self.learned:
            self.learning, self.training_only = chow_liu.Learning(len(self.names)), ("learning",)
        self._arrange(config.parents or {})

    def _arrange(self, parents: Mapping[str, Sequence[str]], device: torch.device | None = None) -> None:
        """Lay out the graph: the order of drawing, and for each variable its family and a table of equal chances."""
        self.order = graph.order(self.names, parents)
        self.families = [[*(self.names.index(p) for p in parents.get(name, ())), v] for v, name in enumerate(self.names)]
        for v, family in enumerate(self.families):
            shape = [self.sizes[i] for i in family]
            self.register_buffer(f"table{v}", torch.full(shape, 1 / self.sizes[v], dtype=torch.float64, device=device))

    def table(self, v: int) -> Tensor:
        """p(x_v | parents), (sizes of the parents …, size of v)."""
        return self.get_buffer(f"table{v}")

    # ---- the fit
    def statistics(self, batch: Batch) -> dict[str, Tensor]:
        """How often each state of a variable was seen with each of its parents, in the shape of its table; of all, to learn a tree."""
        x = self._checked(batch["x"].long())
        if self.learned:
            return {"pairs": chow_liu.pairs(x, self.sizes), "examples": torch.tensor(float(len(x)), dtype=torch.float64, device=x.device)}
        counts = {}
        for v, family in enumerate(self.families):
            table = self.table(v)
            counts[f"counts{v}"] = torch.bincount(self._entry(x, family), minlength=table.numel()).double().reshape(table.shape)
        return counts | {"examples": torch.tensor(float(len(x)), dtype=torch.float64, device=x.device)}

    def update(self, stats: Mapping[str, Tensor]) -> dict[str, float]:
        counted = self._grown(stats["pairs"]) if self.learned else [stats[f"counts{v}"] for v in range(len(self.sizes))]
        total = 0.0
        for v, size in enumerate(self.sizes):
            counts, table = counted[v], self.table(v)
            total += float(torch.special.xlogy(counts, table).sum())  # 0 log 0 = 0
            smooth = counts + self.config.smoothing
            rows = smooth.sum(-1, keepdim=True)
            table.copy_(torch.where(rows > 0, smooth / rows, torch.full_like(smooth, 1 / size)))
        return {"log_likelihood": total / float(stats["examples"])}

    def _grown(self, pairs: Tensor) -> list[Tensor]:
        """Make the graph the likeliest tree; the counts of its families, of all pairs of states (S, S)."""
        counts = chow_liu.blocks(pairs, self.sizes)
        tree = chow_liu.tree(counts)
        self.learning.parent.copy_(torch.tensor(tree))
        self._follow(tree)
        return [counts[v][v].diagonal() if u < 0 else counts[u][v] for v, u in enumerate(tree)]

    def _follow(self, tree: Sequence[int]) -> None:
        parents = {self.names[v]: (self.names[u],) for v, u in enumerate(tree) if u >= 0}
        self.config = self.config.model_copy(update={"parents": parents})
        self._arrange(parents, self.table(0).device)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *others: Any) -> None:
        if self.learned and f"{prefix}learning.parent" in state_dict:  # a run that is gone on with: first the graph, then its tables
            self._follow(state_dict[f"{prefix}learning.parent"].tolist())
        super()._load_from_state_dict(state_dict, prefix, *others)

    # ---- what it can do
    def log_prob(self, batch: Batch, noise: Noise) -> Tensor:
        """log p(x), exact: (n,)."""
        x = self._checked(batch["x"].long())
        return torch.stack([self.table(v).flatten()[self._entry(x, family)].log() for v, family in enumerate(self.families)]).sum(0)

    def draw(self, n: int, noise: Noise, cond: Batch) -> Tensor:
        """Ancestral sampling: each variable given its parents, which were drawn before it. (n, V) int64."""
        x = torch.zeros(n, len(self.names), dtype=torch.int64, device=self.table(0).device)
        for v in self.order:
            given = self.table(v)[tuple(x[:, i] for i in self.families[v][:-1])]
            x[:, v] = noise.categorical(given.expand(n, -1).log())
        return x.double() if self.data.leaves["x"].double else x

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
        """Draws from p(unknown | known), exact: one unknown after the other, each given those before it. Rows of one pattern together.

        Raises UsageError where the known values cannot be together.
        """
        x = self._checked(batch["x"].where(known, torch.zeros_like(batch["x"])).long()).clone()
        for pattern in torch.unique(known, dim=0):
            rows = (known == pattern).all(1).nonzero()[:, 0]
            part, streams = x[rows], noise[rows.tolist()]
            seen = pattern.nonzero()[:, 0].tolist()
            for v in (v for v in self.order if v not in seen):
                chances = self._posterior([v], seen, part)
                if bool(chances.isnan().any()):
                    row = int(rows[chances.isnan().any(1).nonzero()[0, 0]])
                    raise UsageError(f"the known values of example {row} have probability zero")
                part[:, v] = streams.categorical(chances.log())
                seen = [*seen, v]
            x[rows] = part
        return x

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

    def _checked(self, x: Tensor) -> Tensor:
        """x, if every value is a state of its variable. Raises UsageError."""
        wrong = (x < 0) | (x >= torch.tensor(self.sizes, device=x.device))
        if bool(wrong.any()):
            row, v = wrong.nonzero()[0].tolist()
            raise UsageError(f"example {row}: {self.names[v]} = {int(x[row, v])}, its states are 0 to {self.sizes[v] - 1}")
        return x

    def _states(self, v: int) -> list[str]:
        states = self.config.states[v]
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
        return config.model_copy(update={"variables": tuple(c.name for c in x.columns), "states": tuple(c.names for c in x.columns)})
    if not x.classes:
        return config
    columns = tuple(f"x{i}" for i in range(x.shape[0]))
    return config.model_copy(update={"variables": columns, "states": (x.classes,) * len(columns)})
