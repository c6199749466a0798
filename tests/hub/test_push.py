"""Publishing: the real client against a Hub of our own. What is sent, what is not, and that nothing of a person's is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard

import gentk
from gentk import cli
from gentk.errors import GentkError, UsageError
from gentk.host.lookup import build_model, sampler, weights_path
from gentk.protocols import DataSpec, Leaf
from gentk.weights import preview
from gentk.weights.files import allowed
from gentk.weights.push import push

from .server import Hub

DATA = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})
PNG = b"\x89PNG\r\n\x1a\n"


def weights(place: Path, width: int = 8, **settings: Any) -> Path:
    torch.manual_seed(width)
    gentk.save(build_model("ddpm", "ddpm-points", {"width": width, "blocks": 1}, DATA), place, sampler=sampler("heun", steps=2), **settings)
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small, sound weights called `roll`."""
    return weights(tmp_path / "roll")


@pytest.fixture
def me(client: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The client with the token of `user`."""
    client.setenv("HF_TOKEN", "hf_good")
    return client


@pytest.fixture(autouse=True)
def _one_line_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def refused(*args: Any, **settings: Any) -> str:
    with pytest.raises(GentkError) as error:
        push(*args, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)


def card(hub: Hub, name: str = "user/roll", revision: str = "main") -> str:
    return hub.repos[name].files(revision)["README.md"].decode()


# ---------------------------------------------------------------- what is sent
def test_a_new_repository(hub: Hub, me: Any, folder: Path) -> None:
    done = push(folder, "user/roll", license="mit")
    repo = hub.repos["user/roll"]
    assert sorted(repo.files()) == [".gitattributes", "README.md", "config.json", "model.safetensors", "samples/preview.png"]
    assert done.url == f"{hub.url}/user/roll" and done.commit == repo.sha() and len(repo.commits) == 2 and not repo.private
    assert done.bytes == sum(len(repo.files()[name]) for name in done.files) and done.command == "gentk sample --weights user/roll -n 2000"
    assert repo.files()["samples/preview.png"].startswith(PNG) and len(repo.files()["samples/preview.png"]) > 1000
    assert repo.files()["config.json"] == (folder / "config.json").read_bytes() and repo.messages[repo.sha()] == "ddpm/ddpm-points"
    assert {"gentk", "plugin:ddpm"} <= set(repo.tags) and ModelCard(card(hub)).data.license == "mit" and done.notes == []
    assert [asked.token for asked in hub.asked if asked.path.startswith("/put/")] == [""]


def test_what_was_pushed_can_be_loaded(hub: Hub, me: Any, folder: Path, tmp_path: Path) -> None:
    push(folder, "user/roll")
    for name, content in hub.repos["user/roll"].files().items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(content)
    one, two = gentk.load(folder), gentk.load(tmp_path / "copy")
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_weights_of_a_plugin_bring_their_recipe(hub: Hub, me: Any, tmp_path: Path) -> None:
    me.chdir(tmp_path)
    Path("classical/markov").mkdir(parents=True)  # somebody's folder that is no weights
    done = push("classical/markov", "user/markov")
    assert set(done.files) == {"config.json", "model.safetensors", "metrics.json", "recipe.toml", "samples/preview.txt", "README.md"}
    assert hub.repos["user/markov"].files()["samples/preview.txt"].decode().split("\n")[0] in card(hub, "user/markov")
    assert not (weights_path("classical", "markov") / "README.md").exists() and not list(Path("classical/markov").iterdir())
    assert push("classical/markov", "user/markov").files == ()


def test_what_draws_nothing_has_no_preview(hub: Hub, me: Any) -> None:
    done = push("vae/ae-mnist", "user/ae")
    assert set(done.files) == {"config.json", "model.safetensors", "metrics.json", "recipe.toml", "README.md"}
    assert done.command == "gentk inspect user/ae" and "widget" not in card(hub, "user/ae")


def test_nothing_but_weights(hub: Hub, me: Any, folder: Path) -> None:
    """A run with all that lies about in such folders."""
    for name in ("state/step-1/model.safetensors", "best/model.safetensors", "samples/step-00000010.png", "samples/preview.py", "model.py",
                 "pytorch_model.bin", "optimizer.pt", ".env", ".git/config", "notes.md", "model-00001-of-00002.safetensors",
                 "sub/config.json", "loss.png"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNG + name.encode())
    (folder / "log.jsonl").write_text('{"step": 10, "loss": 1.0}\n')
    done = push(folder, "user/roll")
    sent = set(hub.repos["user/roll"].files()) - {".gitattributes"}
    assert sent == set(done.files) == {"config.json", "model.safetensors", "README.md", "samples/preview.png", "log.jsonl", "loss.png"}
    assert all(allowed(name) for name in sent)
    assert hub.repos["user/roll"].files()["samples/preview.png"] == PNG + b"samples/step-00000010.png"


def test_the_newest_preview_of_a_run_and_its_authors_own(hub: Hub, me: Any, folder: Path) -> None:
    (folder / "samples").mkdir()
    for step in (900, 1000, 20):
        (folder / "samples" / f"step-{step:08d}.png").write_bytes(PNG + str(step).encode())
    push(folder, "user/roll")
    assert hub.repos["user/roll"].files()["samples/preview.png"] == PNG + b"1000"
    (folder / "samples" / "preview.gif").write_bytes(b"GIF89a")
    done = push(folder, "user/roll")
    assert done.deleted == ("samples/preview.png",) and "samples/preview.gif" in card(hub) and "preview.png" not in card(hub)


@pytest.mark.parametrize("name", ["log.jsonl", "loss.png", "README.md", "recipe.toml", "samples/step-1.png"])
def test_a_link_out_of_the_folder_is_not_followed(hub: Hub, me: Any, folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "samples").mkdir()
    (folder / name).symlink_to(tmp_path / "secret")
    assert "points outside the folder" in refused(folder, "user/roll")
    assert hub.repos == {}


def test_large_files_go_through_lfs(hub: Hub, me: Any, tmp_path: Path) -> None:
    folder = weights(tmp_path / "large", width=900)
    (folder / "samples").mkdir()
    (folder / "samples" / "preview.png").write_bytes(PNG)
    assert (folder / "model.safetensors").stat().st_size > 10_000_000
    push(folder, "user/large")
    assert hub.repos["user/large"].files()["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    asked = hub.requests()
    assert sum(line.startswith("PUT /put/") for line in asked) == 1 and "POST /user/large.git/info/lfs/objects/batch" in asked
    done = push(folder, "user/large")
    asked = hub.requests()
    repo = hub.repos["user/large"]
    assert done.files == () and done.deleted == () and done.commit == repo.sha() and len(repo.commits) == 2
    assert not any(line.startswith(("PUT", "POST")) for line in asked)
    (folder / "log.jsonl").write_text('{"step": 7, "loss": 1.0}\n')
    assert push(folder, "user/large", message="Log\n\nand why").files == ("log.jsonl",)
    asked = hub.requests()
    assert not any("lfs" in line or line.startswith("PUT") for line in asked)
    assert repo.messages[repo.sha()] == "Log"


def test_shards_and_what_is_left_of_them(hub: Hub, me: Any, folder: Path) -> None:
    weights(folder, shard_bytes=1000)
    done = push(folder, "user/roll")
    shards = {name for name in done.files if name.startswith("model-")}
    assert len(shards) > 1 and "model.safetensors.index.json" in done.files
    repo = hub.repos["user/roll"]
    repo.commit({"mine.txt": b"mine", "model-00001-of-00099.safetensors": b"old", "onnx/model.onnx": b"theirs"})
    weights(folder)
    done = push(folder, "user/roll")
    assert set(done.deleted) == {*shards, "model.safetensors.index.json", "model-00001-of-00099.safetensors"}
    assert {"mine.txt", "onnx/model.onnx", "model.safetensors"} <= set(repo.files()) and not shards & set(repo.files())


def test_the_preview_of_the_same_weights_is_not_drawn_again(hub: Hub, me: Any, folder: Path) -> None:
    """Drawn on another machine, it differs in its last bits."""
    push(folder, "user/roll")
    hub.repos["user/roll"].commit({"samples/preview.png": PNG + b"of another machine"})
    assert push(folder, "user/roll").files == ()
    weights(folder, width=12)
    assert "samples/preview.png" in push(folder, "user/roll").files


def test_weights_that_cannot_be_drawn_are_pushed_all_the_same(hub: Hub, me: Any, folder: Path) -> None:
    about = json.loads((folder / "config.json").read_text())
    about["sampler"]["options"]["steps"] = 1
    (folder / "config.json").write_text(json.dumps(about))
    me.setattr("gentk.weights.preview.preview", lambda *args: 1 / 0)
    done = push(folder, "user/roll")
    assert "samples/preview.png" not in done.files and any("ZeroDivisionError" in note for note in done.notes)


# ---------------------------------------------------------------- the card
def test_an_edited_card_survives(hub: Hub, me: Any, folder: Path) -> None:
    push(folder, "user/roll")
    mine = card(hub).replace("- It has seen nothing but", "- It has SEEN nothing but") + "\nThanks.\n"
    hub.repos["user/roll"].commit({"README.md": mine.replace("tags:\n", "language: no\ntags:\n- spirals\n").encode()})
    weights(folder, width=12)
    done = push(folder, "user/roll")
    text = card(hub)
    assert "README.md" in done.files and all(words in text for words in ("has SEEN nothing", "Thanks.", "- spirals", "language: no\n"))
    assert f"{sum(p.numel() for p in gentk.load(folder).state_dict().values()):,} numbers" in text
    assert (folder / "README.md").read_text() == text and push(folder, "user/roll").files == ()


def test_words_in_the_folders_own_card(hub: Hub, me: Any, folder: Path) -> None:
    (folder / "README.md").write_text("# Spirals\n\nA long story.\n")
    push(folder, "user/roll")
    assert "# Spirals\n\nA long story.\n\n<!-- gentk:about" in card(hub)
    (folder / "README.md").write_text(card(hub).replace("A long story", "A longer story"))
    assert push(folder, "user/roll").files == ("README.md",) and "A longer story." in card(hub)
    assert push(folder, "user/roll").files == ()


def test_both_cards_were_changed(hub: Hub, me: Any, folder: Path) -> None:
    push(folder, "user/roll")
    hub.repos["user/roll"].commit({"README.md": (card(hub) + "\nTheirs.\n").encode()})
    (folder / "README.md").write_text((folder / "README.md").read_text() + "\nMine.\n")
    for _ in range(2):
        done = push(folder, "user/roll")
        assert any("were both changed: the Hub's is kept" in note for note in done.notes)
        assert "Theirs." in card(hub) and "Mine." not in card(hub) and "Mine." in (folder / "README.md").read_text()


def test_an_older_card_in_the_folder_gives_way(hub: Hub, me: Any, folder: Path, tmp_path: Path) -> None:
    push(folder, "user/roll")
    shutil.copytree(folder, tmp_path / "other")
    (folder / "README.md").write_text((folder / "README.md").read_text() + "\nMine.\n")
    push(folder, "user/roll")
    assert push(tmp_path / "other", "user/roll").files == () and "Mine." in card(hub)
    assert "Mine." in (tmp_path / "other" / "README.md").read_text()


def test_a_repository_made_on_the_page(hub: Hub, me: Any, folder: Path) -> None:
    """Its card is a licence and nothing more."""
    hub.repo("user/roll", {"README.md": b"---\nlicense: cc-by-4.0\n---\n"})
    (folder / "README.md").write_text("---\ntags: [spirals]\n---\nMy words.\n")
    push(folder, "user/roll")
    about = ModelCard(card(hub)).data
    assert about.license == "cc-by-4.0" and about.tags[0] == "spirals" and "My words." in card(hub)


def test_a_broken_head_is_told(hub: Hub, me: Any, folder: Path) -> None:
    hub.repo("user/roll", {"README.md": b"---\nlicense: [\n---\nWords.\n"})
    assert "README.md, line 3: the table at its head is no YAML" in refused(folder, "user/roll")


def test_what_would_not_be_read_back_stays(hub: Hub, me: Any, folder: Path) -> None:
    with (folder / "log.jsonl").open("wb") as file:
        file.truncate(50_000_001)
    done = push(folder, "user/roll")
    assert "log.jsonl" not in done.files and any("log.jsonl stays here" in note for note in done.notes)
    assert push(folder, "user/roll").files == ()


def test_notes(hub: Hub, me: Any, folder: Path) -> None:
    assert "no licence is stated" in push(folder, "user/roll").notes[0]
    (folder / "recipe.toml").write_text('[model]\nplugin = "ddpm"\n[dataset]\nname = "folder:/home/ann/pictures"\n')
    assert any("folder:/home/ann/pictures" in note for note in push(folder, "user/roll", license="mit").notes)


# ---------------------------------------------------------------- where it goes
def test_private(hub: Hub, me: Any, folder: Path) -> None:
    push(folder, "user/roll", private=True)
    assert hub.repos["user/roll"].private
    weights(folder, width=12)
    assert push(folder, "user/roll", private=True).files
    push(folder, "user/open")
    weights(folder, width=16)
    assert "public" in refused(folder, "user/open", private=True) and len(hub.repos["user/open"].commits) == 2


def test_a_proposal(hub: Hub, me: Any, folder: Path) -> None:
    hub.repo("other/roll", {"mine.txt": b"x"})
    assert "may not write to other/roll: propose the change with --create-pr" in refused(folder, "other/roll")
    done = push(folder, "other/roll", create_pr=True)
    assert done.url == f"{hub.url}/other/roll/discussions/1" and list(hub.repos["other/roll"].files()) == ["mine.txt"]
    assert "model.safetensors" in hub.repos["other/roll"].files("refs/pr/1") and not (folder / "README.md").exists()
    assert "there is no repository user/none" in refused(folder, "user/none", create_pr=True)


def test_somebody_elses_name(hub: Hub, me: Any, folder: Path) -> None:
    assert "may not make a repository of 'other'" in refused(folder, "other/roll")
    assert hub.repos == {}


def test_a_commit_meanwhile(hub: Hub, me: Any, folder: Path) -> None:
    push(folder, "user/roll")
    weights(folder, width=12)
    drawn = preview.drawn

    def meanwhile(*args: Any) -> Any:
        hub.repos["user/roll"].commit({"other.txt": b"x"})
        return drawn(*args)

    me.setattr("gentk.weights.parcel.drawn", meanwhile)
    assert refused(folder, "user/roll") == "user/roll changed meanwhile: push again"
    me.setattr("gentk.weights.parcel.drawn", drawn)
    assert "model.safetensors" in push(folder, "user/roll").files and "other.txt" in hub.repos["user/roll"].files()


def test_who_is_not_known(hub: Hub, client: pytest.MonkeyPatch, folder: Path) -> None:
    assert "pushing needs a token" in refused(folder, "user/roll") and hub.requests() == []
    client.setenv("HF_TOKEN", "hf_bad")
    assert "does not accept the token" in refused(folder, "user/roll")
    client.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set, and pushing needs" in refused(folder, "user/roll") and hub.repos == {}


@pytest.mark.parametrize("name", ["roll", "user/roll@v1", "user/a/b", "../x", "user/..", "user/a b", "", "user/-"])
def test_names_of_repositories(hub: Hub, me: Any, folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a repository"):
        push(folder, name)
    assert hub.requests() == []


def test_a_licence_must_be_an_identifier(hub: Hub, me: Any, folder: Path) -> None:
    with pytest.raises(UsageError, match=r"apache-2\.0"):
        push(folder, "user/roll", license="Apache 2.0\nevil: yes")


def test_unsound_weights_stay_at_home(hub: Hub, me: Any, folder: Path) -> None:
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**about, "plugin": "elsewhere"}))
    assert "need plugin 'elsewhere'" in refused(folder, "user/roll")
    (folder / "config.json").write_text(json.dumps({**about, "config": {**about["config"], "width": 9}}))
    assert "do not fit the config" in refused(folder, "user/roll")
    (folder / "config.json").write_text(json.dumps(about))
    raw = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(raw[:-4] + b"\x00\x00\xc0\x7f")
    assert "non-finite" in refused(folder, "user/roll")
    (folder / "model.safetensors").write_bytes(raw[:-4])
    assert "truncated" in refused(folder, "user/roll")
    (folder / "model.safetensors").write_bytes(raw)
    (folder / "metrics.json").write_text("[]")
    assert "metrics.json" in refused(folder, "user/roll")
    assert hub.repos == {} and not any(line.startswith(("POST", "PUT")) for line in hub.requests())


def test_a_busy_hub(hub: Hub, me: Any, folder: Path, waits: list[float]) -> None:
    hub.fail(503, times=2, path="/commit/", method="POST")
    assert push(folder, "user/roll").files and waits[:2] == [1.0, 2.0] and len(hub.repos["user/roll"].commits) == 2
    hub.stop()
    assert "does not answer" in refused(folder, "user/roll")


# ---------------------------------------------------------------- the command
def run(capfd: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.run(list(argv))
    said = capfd.readouterr()
    return code, said.out, said.err


def test_the_command(hub: Hub, me: Any, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, "push", str(folder), "user/roll", "--license", "mit", "--message", "First [bold]one[/bold]")
    lines = out.splitlines()
    assert code == 0 and lines[0].startswith("user/roll: config.json, ") and lines[1:] == [
        f"{hub.url}/user/roll",
        "gentk sample --weights user/roll -n 2000",
    ]
    assert "First [bold]one[/bold]" in hub.repos["user/roll"].messages.values()
    code, out, _ = run(capfd, "push", str(folder), "user/roll")
    assert code == 0 and out.startswith(f"nothing to push: user/roll holds exactly this already, at {hub.repos['user/roll'].sha()[:12]}\n")
    code, out, _ = run(capfd, "push", str(folder), "user/roll", "--json")
    assert json.loads(out)["files"] == [] and json.loads(out)["commit"] == hub.repos["user/roll"].sha()
    code, out, err = run(capfd, "push", str(folder), "roll")
    assert code == 2 and err.startswith("error: 'roll' is no name of a repository")


def test_a_trial(hub: Hub, client: pytest.MonkeyPatch, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """No token, and nothing is sent; a repository that is there is looked at."""
    before = sorted(folder.rglob("*"))
    code, out, err = run(capfd, "push", str(folder), "user/roll", "--dry-run", "--license", "mit")
    assert code == 0 and "would go to a new repository user/roll" in out and "  samples/preview.png\n" in out, err
    assert "## Licence\n\n`mit`\n" in out and hub.repos == {} and sorted(folder.rglob("*")) == before
    there = {"config.json": (folder / "config.json").read_bytes(), "metrics.json": b"{}", "README.md": b"# Theirs\n\nWords.\n"}
    hub.repo("user/roll", there)
    code, out, _ = run(capfd, "push", str(folder), "user/roll", "--dry-run", "--json")
    told = json.loads(out)
    assert not told["new"] and "config.json" not in told["changed"] and told["deleted"] == ["metrics.json"] and "Words." in told["card"]
    assert told["files"]["config.json"] == (folder / "config.json").stat().st_size
    hub.stop()
    code, out, _ = run(capfd, "push", str(folder), "user/roll", "--dry-run")
    assert code == 0 and "does not answer" in out and "as if there were no user/roll yet" in out
    assert all(line.startswith(("GET", "HEAD")) for line in hub.requests())
