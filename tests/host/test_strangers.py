"""What strangers write into plugins and their metadata: it is shown harmless, fails them alone, and is imported only when asked for."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from gentk.text import cause, harmless, one_line
from tests.fakes import GOOD, fake
from tests.running import gentk

EVIL = "[/foo] [bold]x[/] \x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\ \x9b31m \u202eltr " + "y" * 5000
LIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def sound(done: object) -> None:
    """Nothing that a terminal obeys, no traceback, no bug."""
    text = done.stdout + done.stderr  # type: ignore[attr-defined]
    assert not LIVE.search(text) and "Traceback" not in text and "bug" not in text, text[-2000:]


# ---------------------------------------------------------------- text
def test_one_line_is_harmless_short_and_never_raises() -> None:
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert not LIVE.search(one_line(EVIL)) and len(one_line(EVIL)) == 200 and one_line("a\n\tb  c") == "a b c"
    assert one_line(Mute()) == "(Mute whose text raises RuntimeError)"
    assert harmless("é 漢 👩‍🚀\n") == "é 漢 👩‍🚀\n" and harmless("\ud800") == "\ufffd"
    error = type("Odd\x1b[2J", (Exception,), {"__str__": lambda self: 1 / 0})()
    assert not LIVE.search(cause(error)) and "raises ZeroDivisionError" in cause(error)


# ---------------------------------------------------------------- what a plugin raises and answers
HOOK = "from gentk.host import ModelSpec, SamplerSpec, hookimpl\n@hookimpl\ndef gentk_models():\n    {}\n"
RAISES = {
    "generator-exit": ("raise GeneratorExit('gone')", "GeneratorExit: gone"),
    "own-base": ("raise type('Mine', (BaseException,), {})('x')", "Mine: x"),
    "group": ("raise BaseExceptionGroup('many', [SystemExit(1), ValueError(2)])", "BaseExceptionGroup: many"),
    "mute": ("raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()", "Mute: (Mute whose text raises ZeroDivisionError)"),
    "mute-base": ("raise type('Mute', (BaseException,), {'__str__': lambda self: None})()", "Mute: (Mute whose text raises TypeError)"),
    "live": ("raise ValueError('\\x1b]0;owned\\x07\\x9b2J[/foo]')", "ValueError: "),
    "long": ("raise ValueError('x' * 10**6)", "ValueError: xxx"),
    "hook": (HOOK.format("raise GeneratorExit"), "in gentk_models: GeneratorExit"),
    "hook-generator": (HOOK.format("yield 1; raise SystemExit(0)"), "in gentk_models: SystemExit"),
    "name-none": (HOOK.format("return [ModelSpec(None, 'a:b')]"), "gave a ModelSpec whose name is a NoneType"),
    "name-seven": (HOOK.format("return [ModelSpec(7, 'a:b')]"), "whose name is a int"),
    "name-list": (HOOK.format("return [ModelSpec([], 'a:b')]"), "whose name is a list"),
    "name-empty": (HOOK.format("return [ModelSpec(' ', 'a:b')]"), "whose name is ' '"),
    "name-live": (HOOK.format("return [ModelSpec('a\\x1b[2J', 'a:b')]"), "whose name is"),
    "target-bytes": (HOOK.format("return [ModelSpec('a', b'a:b')]"), "whose target is a bytes"),
    "summary-dict": (HOOK.format("return [ModelSpec('a', 'a:b', summary={})]"), "whose summary is a dict"),
    "no-list": (HOOK.format("return 7"), "TypeError"),
    "a-text": (HOOK.format("return 'ddpm'"), "not a ModelSpec"),
    "mute-repr": (HOOK.format("return [type('M', (), {'__repr__': lambda s: 1 / 0})()]"), "gave a M, not a ModelSpec"),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """All of them installed at once: what `gentk plugins` says of each."""
    site = tmp_path_factory.mktemp("site")
    for name, (code, _) in RAISES.items():
        fake(site, f"gentk-{name}", name, code)
    fake(site, "gentk-good", "good", GOOD.format(name="good"))
    listed = gentk("plugins", "--json", site=site)
    sound(listed)
    shown = gentk("plugins", site=site)
    sound(shown)
    assert shown.returncode == 0
    return {row["name"]: row for row in json.loads(listed.stdout)}


@pytest.mark.parametrize("name", RAISES)
def test_whatever_a_plugin_raises_or_answers_it_fails_alone(name: str, rows: dict[str, dict[str, str]]) -> None:
    assert rows["good"]["status"] == rows["ddpm"]["status"] == "ok"
    reason = rows[name]["reason"]
    assert rows[name]["status"] == "failed" and RAISES[name][1] in reason and "\n" not in reason and len(reason) < 500


# ---------------------------------------------------------------- metadata
DAMAGE: dict[str, tuple[str, bytes]] = {
    "direct": ("direct_url.json", b"{"),
    "direct-list": ("direct_url.json", b"[1]"),
    "points": ("entry_points.txt", b"[gentk]\npoints\n"),
    "points-binary": ("entry_points.txt", b"[gentk]\npoints-binary = \xff\xfe\n"),
    "points-value": ("entry_points.txt", b"[gentk]\npoints-value = :::\n"),
    "requires": ("METADATA", b"Metadata-Version: 2.1\nName: gentk-requires\nVersion: 1.0\nRequires-Dist: ((junk\n"),
    "version": ("METADATA", b"Metadata-Version: 2.1\nName: gentk-version\nVersion: \x1b[2J[/foo]\n"),
    "nameless": ("METADATA", b"Metadata-Version: 2.1\nVersion: 1.0\n"),
    "binary": ("METADATA", b"\xff\xfe\x00\x01"),
    "empty": ("METADATA", b""),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_metadata_fail_one_plugin(name: str, tmp_path: Path) -> None:
    fake(tmp_path, f"gentk-{name}", name, GOOD.format(name=name))
    file, text = DAMAGE[name]
    (tmp_path / f"gentk_{name.replace('-', '_')}-1.0.dist-info" / file).write_bytes(text)
    listed = gentk("plugins", "--json", site=tmp_path)
    sound(listed)
    found = {row["name"]: row for row in json.loads(listed.stdout)}
    [broken] = [row for row in found.values() if name in row["name"]]
    assert broken["status"] == "failed" and "its metadata is damaged" in broken["reason"] and found["ddpm"]["status"] == "ok"


def test_every_command_works_beside_damaged_metadata(tmp_path: Path) -> None:
    for name, (file, text) in DAMAGE.items():
        fake(tmp_path, f"gentk-{name}", name, GOOD.format(name=name))
        (tmp_path / f"gentk_{name.replace('-', '_')}-1.0.dist-info" / file).write_bytes(text)
    (tmp_path / "other-1.0.dist-info").mkdir()  # not one of ours at all
    (tmp_path / "other-1.0.dist-info" / "entry_points.txt").write_bytes(b"[gentk]\n\xff\n[console_scripts]\nx\n")
    for words in (("--help",), ("plugins",), ("models",), ("sample", "--help"), ("plugins", "freeze"), ("plugins", "show", "ddpm")):
        done = gentk(*words, site=tmp_path)
        sound(done)
        assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- what is shown
def test_summaries_of_strangers_are_text(tmp_path: Path) -> None:
    code = "from gentk.host import *\nfrom gentk.host import ModelSpec, DatasetSpec, hookimpl\n" + (
        f"@hookimpl\ndef gentk_models():\n    yield ModelSpec('[e]vil', 'x:y', summary={EVIL!r}, paper={EVIL!r})\n"
        f"@hookimpl\ndef gentk_datasets():\n    yield DatasetSpec('sea', 'x:y', modality={EVIL!r}, argument={EVIL!r}, summary={EVIL!r})\n"
    )
    fake(tmp_path, "gentk-evil", "evil", code)
    fake(tmp_path, "gentk-tool", "tool", "import typer\napp = typer.Typer()\n", group="gentk.commands")
    about = tmp_path / "gentk_tool-1.0.dist-info" / "METADATA"
    about.write_text(about.read_text().replace("Summary: fake", "Summary: [/foo] \x1b]0;owned\x07 [bold]"))
    for words in (("--help",), ("models",), ("datasets",), ("plugins", "show", "evil"), ("plugins",), ("models", "--strict")):
        done = gentk(*words, site=tmp_path)
        sound(done)
        assert done.returncode == 0, done.stderr
    assert "[/foo]" in gentk("--help", site=tmp_path).stdout and "[e]vil" in gentk("models", site=tmp_path).stdout


def test_help_and_errors_of_hostile_weights_are_text(tmp_path: Path) -> None:
    from gentk.host.lookup import weights_path

    folder = Path(shutil.copytree(weights_path("ddpm", "moons"), tmp_path / "w"))
    about = json.loads((folder / "config.json").read_text())
    names = ["[/foo]", "x\x1b]8;;http://evil\x07\u202e"]
    about["conditions"]["label"].update(help="[/foo] [bold]which[/]", names=names)
    about["data"]["conditions"]["label"]["names"] = names
    about["sampler"]["options"].update(spacing="[/foo]\x9b2J")
    (folder / "config.json").write_text(json.dumps(about))
    helped = gentk("sample", "--help", "--weights", str(folder))
    sound(helped)
    assert helped.returncode == 0 and "[/foo] [bold]which[/]" in helped.stdout and helped.stdout.count("[/foo]") == 2, helped.stderr
    for words in (("--label", "zzz"), ("--label", "[/foo", "--steps", "x"), ("--no-such-flag", "1"), ()):
        refused = gentk("sample", "--weights", str(folder), "-n", "1", "--out", str(tmp_path / "a.csv"), *words)
        sound(refused)
        assert refused.returncode in (1, 2) and "error:" in refused.stderr
    bar = {"_GENTK_COMPLETE": "complete_bash", "COMP_WORDS": f"gentk sample --weights {folder} --label ", "COMP_CWORD": "5"}
    sound(gentk(**bar))


# ---------------------------------------------------------------- who is imported
def test_drawing_with_one_plugin_imports_no_other(tmp_path: Path) -> None:
    loud = "import sys\nprint('IMPORTED', file=sys.stderr)\nsys.exit(7)\n"
    fake(tmp_path, "gentk-loud", "loud", loud)
    for words in (
        ("sample", "--plugin", "ddpm", "--recipe", "moons", "-n", "2", "--out", "a.csv"),
        ("sample", "--plugin", "vae", "--recipe", "mnist", "-n", "1", "--out", "a.png"),
        ("sample", "--plugin", "classical", "--recipe", "markov", "-n", "1", "--out", "a.txt"),
        ("inspect", "ddpm/mnist"),
    ):
        done = gentk(*words, site=tmp_path, cwd=tmp_path)
        assert done.returncode == 0 and "IMPORTED" not in done.stderr, done.stderr
    asked = gentk("sample", "--sampler", "nobodys", site=tmp_path, cwd=tmp_path)
    assert asked.returncode == 2 and "no sampler 'nobodys'" in asked.stderr and "IMPORTED" in asked.stderr
