"""How the loopback Hub answers each request."""

from __future__ import annotations

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

if TYPE_CHECKING:
    from tests.hub.server import Hub, Repo

LFS_SUFFIXES = (".safetensors", ".bin", ".npz", ".gif", ".mp4")  # what a new repository's .gitattributes names
LFS_SIZE = 10_000_000
DATE = "2026-03-0{}T12:00:00.000Z"


def blob_id(content: bytes) -> str:
    """git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def under_lfs(path: str, size: int) -> bool:
    return path.endswith(LFS_SUFFIXES) or size >= LFS_SIZE


def parents(path: str) -> list[str]:
    """The folders that a path lies in."""
    words = path.split("/")
    return ["/".join(words[:i]) for i in range(1, len(words))]


class Asked(NamedTuple):
    """One request: method, path without the query, bearer token, host that it was asked of, user agent, Range."""

    method: str
    path: str
    token: str
    host: str
    agent: str
    range: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Handler(BaseHTTPRequestHandler):
    """Each request in a connection of its own, so that a stopped server is really gone."""

    hub: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    # ---------------------------------------------------------------- in and out
    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        fault = self.hub.fault(self.command, self.route, "cut", "flip") if body and self.command == "GET" and code < 300 else None
        lie = self.hub.fault(self.command, self.route, "lie")
        if lie:
            headers = {**{key.replace("_", "-").lower(): value for key, value in headers.items()}, **lie.headers}
        if slow := self.hub.fault(self.command, self.route, "endless", "drip"):
            self.without_end(slow.kind)
            return
        length = len(body)
        if fault and fault.kind == "flip":
            body = body[: length // 2] + bytes([body[length // 2] ^ 1]) + body[length // 2 + 1 :]
        self.send_response(code)
        for key, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: fault.at] if fault and fault.kind == "cut" else body)

    def without_end(self, kind: str) -> None:
        """Keep sending until the other side hangs up: as fast as can be, or a space every now and then."""
        self.close_connection = True
        try:
            self.send_response(200)
            self.end_headers()
            while not self.hub.quiet.wait(0 if kind == "endless" else 0.02):
                self.wfile.write(b" " * (1 << 16 if kind == "endless" else 1))
        except OSError:
            pass

    def slow_head(self) -> None:
        """A head whose end never comes, a byte at a time."""
        self.close_connection = True
        try:
            self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
            while not self.hub.quiet.wait(0.02):
                self.wfile.write(b"x")
        except OSError:
            pass

    def json(self, value: Any, code: int = 200, **headers: str) -> None:
        self.answer(code, json.dumps(value).encode(), Content_Type="application/json", **headers)

    def error(self, status: int, code: str = "", message: str = "", **headers: str) -> None:
        named = {"X_Error_Code": code} if code else {}
        self.json({"error": message or code}, status, **named, **({"X_Error_Message": message} if message else {}), **headers)

    def body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def handle_one(self) -> None:
        split = urlsplit(self.path)
        self.route, self.query = unquote(split.path), parse_qs(split.query)
        self.words = [unquote(word) for word in split.path.strip("/").split("/")]
        self.token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        host, agent = self.headers.get("Host", ""), self.headers.get("User-Agent", "")
        with self.hub.lock:
            self.hub.asked.append(Asked(self.command, self.route, self.token, host, agent, self.headers.get("Range", "")))
        self.sent = self.body() if self.command in ("POST", "PUT") else b""
        if fault := self.hub.fault(self.command, self.route, "status"):
            return self.error(fault.status, **fault.headers)
        if said := self.hub.fault(self.command, self.route, "say"):
            return self.answer(200, said.body, Content_Type="application/json")
        if self.hub.fault(self.command, self.route, "slow head"):
            return self.slow_head()
        if self.words[0] in ("cdn", "put"):  # signed addresses: no token belongs here
            return self.cdn()
        if self.token and self.token not in self.hub.tokens:
            return self.error(401, message="Invalid credentials in Authorization header")
        if self.words[:2] == ["api", "models"] and len(self.words) >= 4:
            return self.model("/".join(self.words[2:4]), self.words[4] if len(self.words) > 4 else "", self.words[5:])
        if self.words[:2] == ["api", "datasets"] and len(self.words) >= 4:
            return self.model("datasets/" + "/".join(self.words[2:4]), self.words[4] if len(self.words) > 4 else "", self.words[5:])
        if self.words[0] == "datasets" and self.words[3:4] == ["resolve"]:
            return self.resolve("/".join(self.words[:3]), self.words[4], "/".join(self.words[5:]))
        if self.words[2:3] == ["resolve"]:
            return self.resolve("/".join(self.words[:2]), self.words[3], "/".join(self.words[4:]))
        if ".git/info/lfs" in self.route:
            return self.lfs()
        found = {
            "GET /api/models": self.search,
            "GET /api/whoami-v2": self.whoami,
            "POST /api/repos/create": self.create,
            "POST /api/validate-yaml": lambda: self.json({"errors": [], "warnings": []}),
        }.get(f"{self.command} {self.route}")
        return found() if found else self.strange()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_one

    def strange(self) -> None:
        self.hub.unknown.append(f"{self.command} {self.path}")
        self.error(404, message="no such page")

    # ---------------------------------------------------------------- who may
    def allowed(self, name: str, write: bool = False) -> Repo | None:
        """The repository, where this token may see it (or write to it); otherwise the refusal is sent."""
        repo, user = self.hub.repos.get(name), self.hub.tokens.get(self.token, "")
        owner = name.removeprefix("datasets/").split("/")[0]
        if repo is None or (repo.private and user != owner):
            self.error(404 if user else 401, "RepoNotFound", "Repository not found" if user else "Invalid username or password.")
            return None
        if write and not user:
            self.error(401, message="Invalid username or password.")
            return None
        if write and user != owner and "create_pr" not in self.query:
            self.error(403, message=f"{user} has no write access to {name}")
            return None
        return repo

    # ---------------------------------------------------------------- /api/models/USER/REPO/…
    def model(self, name: str, verb: str, rest: list[str]) -> None:
        repo = self.allowed(name, write=verb in ("preupload", "commit"))
        if repo is None:
            return None
        revision = unquote(rest[0]) if rest else "main"
        if revision.startswith("refs/pr") or repo.sha(revision) or verb in ("refs", "tag", "branch"):
            known = {"": self.info, "revision": self.info, "tree": self.tree, "paths-info": self.tree, "refs": self.references}
            known |= {"preupload": self.preupload, "commit": self.commit, "tag": self.new_tag}
            return known[verb](repo, revision) if verb in known else self.strange()
        return self.error(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def about(self, repo: Repo, revision: str = "main") -> dict[str, Any]:
        listed = {"id": repo.name, "modelId": repo.name, "private": repo.private, "gated": "auto" if repo.gated else False}
        listed |= {"tags": repo.tags, "downloads": repo.downloads, "likes": repo.likes, "library_name": "gentk"}
        return listed | {"lastModified": DATE.format(min(len(repo.commits), 9)), "sha": repo.sha(revision)}

    def info(self, repo: Repo, revision: str) -> None:
        blobs = "blobs" in self.query
        siblings = []
        for path, content in repo.files(revision).items():
            entry = {"rfilename": path} | ({"size": len(content), **self.hashes(path, content, "blobId", "sha256")} if blobs else {})
            siblings.append(entry)
        self.json(self.about(repo, revision) | {"siblings": siblings})

    @staticmethod
    def hashes(path: str, content: bytes, git: str, sha: str) -> dict[str, Any]:
        if not under_lfs(path, len(content)):
            return {git: blob_id(content)}
        digest = hashlib.sha256(content).hexdigest()
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n".encode()
        return {git: blob_id(pointer), "lfs": {sha: digest, "size": len(content), "pointerSize": len(pointer)}}

    def tree(self, repo: Repo, revision: str) -> None:
        """The files below a folder, or with its folders those in it; of POST, the paths that are asked about."""
        files = repo.files(revision)
        folders = {parent for path in files for parent in parents(path)}
        if self.command == "POST":
            wanted = parse_qs(self.sent.decode()).get("paths", [])
            listed = [path for path in wanted if path in files or path in folders]
        else:
            top = "/".join(self.words[6:])
            if top and top not in folders:
                return self.error(404, "EntryNotFound", f"{top} does not exist on {revision}")
            below = [path for path in (*sorted(folders), *files) if not top or path.startswith(f"{top}/")]
            deep = self.query.get("recursive", [""])[0].lower() == "true"
            listed = [path for path in below if (path in files if deep else path.rpartition("/")[0] == top)]
        entries: list[dict[str, Any]] = []
        for path in listed:
            content = files.get(path)
            known = {"type": "directory" if content is None else "file", "path": path, "size": len(content or b"")}
            entries.append(known | ({"oid": blob_id(path.encode())} if content is None else self.hashes(path, content, "oid", "oid")))
        first = int(self.query.get("cursor", ["0"])[0])
        following = first + self.hub.page
        link = f'<{self.hub.url}{quote(self.route)}?recursive=true&cursor={following}>; rel="next"'
        return self.json(entries[first:following], **({"Link": link} if following < len(entries) else {}))

    def references(self, repo: Repo, revision: str) -> None:
        def listed(kind: str, names: list[str]) -> list[dict[str, str]]:
            return [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": repo.refs[name]} for name in names]

        pulls = [name for name in repo.refs if name.startswith("refs/pr/")]
        branches = [name for name in repo.refs if name not in repo.labels and name not in pulls]
        self.json({"branches": listed("heads", branches), "tags": listed("tags", sorted(repo.labels)), "converts": [], "pullRequests": []})

    def new_tag(self, repo: Repo, revision: str) -> None:
        repo.tag(json.loads(self.sent)["tag"], revision)
        self.json({})

    # ---------------------------------------------------------------- files
    def resolve(self, name: str, revision: str, path: str) -> None:
        repo = self.allowed(name)
        if repo is None:
            return None
        if not repo.sha(revision):
            return self.error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        if repo.gated and self.token not in repo.admitted:
            return self.error(403 if self.token else 401, "GatedRepo", f"Access to model {name} is restricted.")
        content, commit = repo.files(revision).get(path), {"X_Repo_Commit": repo.sha(revision)}
        if content is None:
            return self.error(404, "EntryNotFound", "Entry not found", **commit)
        if not under_lfs(path, len(content)):
            return self.ranged(content, ETag=f'"{blob_id(content)}"', **commit)
        digest = hashlib.sha256(content).hexdigest()
        linked = {"X_Linked_Etag": f'"{digest}"', "X_Linked_Size": str(len(content))}
        return self.answer(302, **commit, **linked, Location=f"{self.hub.cdn}/cdn/{digest}/{quote(path)}")

    def cdn(self) -> None:
        if self.words[0] == "put":
            if hashlib.sha256(self.sent).hexdigest() != self.words[1]:
                return self.error(400, message="sha256 does not match")
            self.hub.stored[self.words[1]] = self.sent
            return self.answer(200)
        content = self.hub.content(self.words[1])
        return self.error(404) if content is None else self.ranged(content, ETag=f'"{self.words[1]}"')

    def ranged(self, content: bytes, **headers: str) -> None:
        asked = self.headers.get("Range", "")
        if not asked.startswith("bytes="):
            return self.answer(200, content, **headers)
        low, _, high = asked.removeprefix("bytes=").partition("-")
        end = min(int(high) + 1 if high else len(content), len(content))
        return self.answer(206, content[int(low) : end], Content_Range=f"bytes {low}-{end - 1}/{len(content)}", **headers)

    # ---------------------------------------------------------------- listing
    def search(self) -> None:
        user, text = self.hub.tokens.get(self.token, ""), self.query.get("search", [""])[0].lower()
        wanted, author = set(self.query.get("filter", [])), self.query.get("author", [""])[0]
        found = [
            self.about(repo)
            for repo in self.hub.repos.values()
            if (not repo.private or user == repo.name.split("/")[0])
            and wanted <= set(repo.tags)
            and text in repo.name.lower()
            and repo.name.startswith(author)
        ]
        order = self.query.get("sort", [""])[0]
        if order in ("downloads", "likes", "lastModified"):
            found.sort(key=lambda entry: entry[order], reverse=True)
        self.json(found[: int(self.query.get("limit", ["1000"])[0])])

    def whoami(self) -> None:
        if not self.token:
            return self.error(401, message="Invalid username or password.")
        return self.json({"type": "user", "name": self.hub.tokens[self.token], "orgs": [], "auth": {"accessToken": {"role": "write"}}})

    # ---------------------------------------------------------------- writing
    def create(self) -> None:
        user, asked = self.hub.tokens.get(self.token, ""), json.loads(self.sent)
        name = f"{asked.get('organization') or user}/{asked['name']}"
        if not user:
            return self.error(401, message="Invalid username or password.")
        if name.split("/")[0] != user:
            return self.error(403, message=f"You don't have the rights to create a model under the namespace {name.split('/')[0]!r}")
        answer = {"url": f"{self.hub.url}/{name}", "name": name, "id": name}
        if name in self.hub.repos:
            return self.json(answer | {"error": "You already created this model repo"}, 409)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.repo(name, private=private, tags=[])
        return self.json(answer)

    def preupload(self, repo: Repo, revision: str) -> None:
        here = repo.files(revision)

        def entry(file: dict[str, Any]) -> dict[str, Any]:
            path, lfs = file["path"], under_lfs(file["path"], file["size"])
            known = here.get(path)
            oid = known and (hashlib.sha256(known).hexdigest() if under_lfs(path, len(known)) else blob_id(known))
            return {"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False, "oid": oid}

        self.json({"files": [entry(file) for file in json.loads(self.sent)["files"]]})

    def lfs(self) -> None:
        name = self.route.strip("/").partition(".git/")[0]
        if self.allowed(name) is None:
            return None
        asked = json.loads(self.sent)
        if self.route.endswith("/verify"):
            return self.answer(200 if asked["oid"] in self.hub.stored else 404)
        verify = {"href": f"{self.hub.url}/{name}.git/info/lfs/verify"}
        for wanted in asked["objects"]:
            if self.hub.content(wanted["oid"]) is None:
                wanted["actions"] = {"upload": {"href": f"{self.hub.cdn}/put/{wanted['oid']}"}, "verify": verify}
        return self.json({"transfer": "basic", "objects": asked["objects"]})

    def commit(self, repo: Repo, revision: str) -> None:
        lines = [json.loads(line) for line in self.sent.splitlines() if line]
        files: dict[str, bytes] = {}
        gone: list[str] = []
        message = ""
        for key, value in ((line["key"], line["value"]) for line in lines):
            if key == "header":
                message = value["summary"]
                if (parent := value.get("parentCommit")) and parent != repo.sha(revision):
                    return self.error(412, message="A commit has happened since. Please refresh and try again.")
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.content(value["oid"]) or b""
            else:
                gone.append(value["path"].rstrip("/") + ("/" if key == "deletedFolder" else ""))
        number = 1 + sum(name.startswith("refs/pr/") for name in repo.refs)
        branch = f"refs/pr/{number}" if "create_pr" in self.query else revision
        sha = repo.commit(files, message, branch, tuple(gone))
        if branch == "main":
            repo.tags = tags(files.get("README.md", b"").decode()) or repo.tags
        made = {"success": True, "commitOid": sha, "commitUrl": f"{self.hub.url}/{repo.name}/commit/{sha}", "hookOutput": ""}
        return self.json(made | ({"pullRequestUrl": f"{self.hub.url}/{repo.name}/discussions/{number}"} if branch != revision else {}))


def tags(card: str) -> list[str]:
    """What the Hub files a card under: its tags and its library."""
    import yaml

    if not card.startswith("---"):
        return []
    about = yaml.safe_load(card.split("---")[1]) or {}
    return list(dict.fromkeys([*(about.get("tags") or []), *filter(None, [about.get("library_name"), about.get("pipeline_tag")])]))
