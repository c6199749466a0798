"""Command lines with something wrong in them, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

LINES = [
    "sample --recipe moons -n 3 --out a.csv", "sample --recipe moons -n 2 --label 1 --steps 2 --out a.npz",
    "sample --recipe mnist -n 1 --steps 2", "sample --recipe moons --sampler heun --steps 2 -o guidance=2 -n 2 --seed 4",
    "sample --weights ddpm/swiss-roll -n 4 --out roll.png", "sample --plugin classical --recipe markov --prompt the -n 1",
    "sample --plugin classical --recipe gmm -n 5 --out g.csv --batch-size 2", "sample --plugin vae --recipe mnist -n 1 --out v.png",
    "sample --recipe moons --trajectory t.gif -n 5 --steps 2", "sample --help", "interpolate --recipe moons --seeds 0,1 --steps 2",
    "likelihood --recipe swiss-roll -n 2 -o steps=4 -o probes=1", "models --json", "likelihood --plugin classical --recipe gmm -n 3",
    "classify --plugin classical --recipe gmm -n 3", "inspect ddpm/moons", "recipes",
    "encode --recipe swiss-roll -n 2 -o steps=3 --out z.npz", "impute --plugin classical --recipe gmm -n 2 --missing 0.5", "datasets",
    "samplers --json",
    "train --recipe moons --out run --set training.steps=2 --set model.config.width=8 --set training.batch_size=8 --dry-run", "metrics",
    "train --plugin classical --recipe gmm --dry-run", "train --recipe moons --dataset moons --split test --dry-run", "schedules",
    "plot data moons -n 20 --out d.png", "plot data two-moons", "plot schedule", "plugins", "plugins show ddpm", "plugins search",
    "--help", "plugins freeze", "plugins freeze --out f.txt", "plugins new gentk-tide --kind statistics --out tide",
    "plugins install nothing --dry-run", "plugins check ddpm --only names-unique", "pull someone/thing", "search digits",
    "push ddpm/moons someone/thing --dry-run", "--version", "plot forecast --plugin classical --recipe ar", "export ddpm/moons --out e",
    "import nowhere --out i", "reconstruct --plugin vae",
]  # fmt: skip
VALUES = [
    "", " ", "0", "-1", "1e309", "nan", "inf", "99999999999999999999999", "-99999999999999999999", "1.5", "true", "[]", "{}", "[1,2",
    "=", "a=b", "--", "-", "/", ".", "..", "../nowhere/x", "/nowhere/x", "x" * 5000, "\u202eabc", "\x1b[31mred", "[/foo]", "[bold]",
    "é漢👩",
    "\ud800", "'", '"', "`id`", "$(id)", "%s%n", "a\nb", "a\tb", "NUL", "con.png", "x.png", "x.csv", "x.gif", "x.npz", "x.exe", ".png",
    "none", "0-9", "3,4", "1,2-0", "0-999999999", "ddpm", "ddpm/mnist", "vae", "moons", "markov", "user/repo", "user/repo@main", "@",
    "a/b/c", "https://x/y", "file:///etc/passwd", "training.lr",
]  # fmt: skip
FLAGS = [
    "--recipe", "--plugin", "--weights", "--sampler", "--model", "-n", "--seed", "-o", "--out", "--trajectory", "--batch-size",
    "--device", "--dtype", "--label", "--prompt", "--steps", "--guidance", "--eta", "--json", "--strict", "-x", "--guide", "--scale",
    "--start", "--strength", "--known", "--set", "--known-mask", "--split", "--dataset", "--resume", "--max-steps", "--init", "--kind",
    "--no-such-flag", "--help", "--version", "--compile-not",
]  # fmt: skip
KEYS = [
    "steps", "seed", "model", "self", "noise", "training.lr", "training", "training.steps", "model.config", "model.config.width",
    "dataset.name", "x.y.z", "", ".", "a..b", "sampler.name", "training.optimizers.main.lr", "dataset.options.noise", "model.plugin",
]  # fmt: skip
SETS = {"train": "--set", **dict.fromkeys(("sample", "interpolate", "likelihood", "encode", "impute", "classify"), "-o")}
KEPT = {"train": ("--dry-run",), "push": ("--dry-run",), "plugins": ()}  # what keeps a line from doing what takes long


def lines(count: int, seed: int) -> Iterator[list[str]]:
    """`count` lines; line i depends on (seed, i) alone."""
    for i in range(count):
        yield mutated(random.Random(f"{seed}/{i}"))


def mutated(chance: random.Random) -> list[str]:
    """One of the lines, changed in one to three places: mostly a value, or a flag that the command has, so that it is read to the end."""
    words = chance.choice(LINES).split()
    command = words[0]
    for _ in range(chance.choice((1, 1, 1, 1, 2, 3))):
        place = chance.randrange(1, len(words) + 1)
        values = [i for i in range(1, len(words)) if not words[i].startswith("-")]
        what = chance.random()
        if what < 0.4 and values:
            words[chance.choice(values)] = chance.choice(VALUES)
        elif what < 0.6:
            words += [chance.choice(own_flags(command)), chance.choice(VALUES)]
        elif what < 0.75 and command in SETS:
            words += [SETS[command], f"{chance.choice(KEYS)}={chance.choice(VALUES)}"]
        elif what < 0.8:
            words[place:place] = [chance.choice(FLAGS), chance.choice(VALUES)]
        elif what < 0.85:
            words.insert(place, chance.choice(VALUES))
        elif what < 0.9 and len(words) > 1:
            del words[chance.randrange(len(words))]
        elif what < 0.95:
            words += words[chance.randrange(len(words)) :]
        else:
            chance.shuffle(words)
    return bounded([word.replace("\0", "") for word in words])


def own_flags(command: str) -> list[str]:
    """The flags that the lines of a command use."""
    found = {word for line in LINES if line.split()[0] == command for word in line.split() if word.startswith("-")}
    return sorted(found) or FLAGS


def bounded(words: list[str]) -> list[str]:
    """The same without what would train, install or draw for long."""
    words = [word.encode("utf-8", "replace").decode() for word in words]
    for command, kept in KEPT.items():
        if command in words:
            words += [flag for flag in kept if flag not in words]
    if "install" in words or "uninstall" in words or "restore" in words:
        words.append("--dry-run")
    return words
