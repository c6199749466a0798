"""gentk push"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..out import out

if TYPE_CHECKING:
    from ...weights.parcel import Parcel

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command()
def push(
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="A folder or run, a plugin, or PLUGIN/RECIPE.")],
    repo: Annotated[str, typer.Argument(metavar="USER/REPO", help="The repository; made where there is none.")],
    private: Annotated[bool, typer.Option("--private", help="A new repository is for those only who may see it.")] = False,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Propose the change as a pull request.")] = False,
    message: Annotated[str, typer.Option(metavar="TEXT", help="What the commit is called. \\[default: model and rounds]")] = "",
    license: Annotated[str, typer.Option(metavar="ID", help="The licence, by the Hub's name for it: apache-2.0, mit, cc-by-4.0 …")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Send nothing: list the files and print the card.")] = False,
) -> None:
    """Publish weights on the Hub: the files that weights consist of, a preview and the model card; never the state of a run.

    What a person wrote into the card, there or in the folder's README.md, is kept. A push without changes makes no commit.
    """
    if dry_run:
        return trial(weights, repo, license)
    from ...weights.push import push as publish

    done = publish(weights, repo, private=private, create_pr=create_pr, message=message, license=license)
    data = {"weights": weights, "repo": repo, "url": done.url, "commit": done.commit, "files": list(done.files), "bytes": done.bytes}
    data |= {"deleted": list(done.deleted), "pull_request": create_pr and bool(done.files or done.deleted)}
    data |= {"command": done.command, "notes": list(done.notes)}
    return out.result(data, lambda: people(data))


def people(data: dict[str, Any]) -> str:
    from rich.markup import escape

    lines = [f"note: {note}" for note in data["notes"]]
    if not data["files"] and not data["deleted"]:
        lines.append(f"nothing to push: {data['repo']} holds exactly this already, at {data['commit'][:12]}")
    else:
        gone = f"; removed: {', '.join(data['deleted'])}" if data["deleted"] else ""
        lines.append(f"{data['repo']}: {', '.join(data['files'])} ({size(data['bytes'])}){gone}; commit {data['commit'][:12]}")
    return escape("\n".join([*lines, data["url"], data["command"]]))


def trial(weights: str, repo: str, license: str) -> None:
    """What would be sent, and the card; nothing is."""
    from ...weights.parcel import packed

    with packed(weights, repo, license=license, trial=True) as parcel:
        data = {
            "weights": weights,
            "repo": repo,
            "new": parcel.remote is None,
            "files": {name: parcel.bytes([name]) for name in parcel.files},
            "changed": list(parcel.changed),
            "deleted": list(parcel.gone),
            "bytes": parcel.bytes(),
            "message": parcel.message,
            "notes": parcel.notes,
            "card": parcel.card,
        }
        out.result(data, lambda: listed(parcel))


def listed(parcel: Parcel) -> str:
    """A line per file, then the card."""
    from rich.markup import escape

    lines = [f"note: {note}" for note in parcel.notes]
    for name in parcel.files:
        told = "" if parcel.remote is None else "  changed" if name in parcel.changed else "  as it is there"
        lines.append(f"{size(parcel.bytes([name])):>10}  {name}{told}")
    lines += [f"{'removed':>10}  {name}" for name in parcel.gone]
    where = f"a new repository {parcel.repo}" if parcel.remote is None else parcel.repo
    lines.append(f"{size(parcel.bytes())} would go to {where}, as '{parcel.message}'; nothing was sent")
    return escape("\n".join([*lines, "", parcel.card.rstrip()]))


def size(count: int) -> str:
    return f"{count / 1e6:,.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
