"""The static files: read and compressed once at the start, named by the hash of all of them, so that a browser asks for each once.

Room: hall, face. `app` mounts it under /static, `face` asks it for addresses. Modules write `/static/live.js`; what is served says
`/static/<mark>/live.js`, so that every module of a page is of one version and lives in one instance. It reads no file after the start, so a
path can lead nowhere else.
"""

from __future__ import annotations

import gzip
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

IMMUTABLE: Final = "public, max-age=31536000, immutable"
REWRITTEN: Final = (".js", ".css")
COMPRESSED: Final = (".js", ".css", ".svg", ".txt", ".html", ".json", ".toml")
LEFT_OUT: Final = (".md", ".py")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it goes out; `packed` is the gzip of it, or None where that gains nothing."""

    media: str
    plain: bytes
    packed: bytes | None
    etag: str

    def answer(self, request: Request, cache: str) -> Response:
        """Return it as a request wants it: not at all when it has it, compressed when it can take that."""
        headers = {"cache-control": cache, "etag": self.etag, "vary": "accept-encoding"}
        if self.etag in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        if self.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.packed, 200, headers | {"content-encoding": "gzip"}, self.media)
        return Response(self.plain, 200, headers, self.media)


def packed_asset(path: str, data: bytes) -> Asset:
    """Return a file ready to go out; its name says of which kind it is."""
    packed = gzip.compress(data, 9, mtime=0) if path.endswith(COMPRESSED) else None
    media = "text/javascript" if path.endswith(".js") else mimetypes.guess_type(path)[0] or "application/octet-stream"
    media += "; charset=utf-8" if media.startswith("text/") else ""
    return Asset(media, data, packed if packed and len(packed) < len(data) else None, f'"{sha256(data).hexdigest()[:16]}"')


class Assets:
    """All files by their path under static/. `mark` names this very set."""

    def __init__(self, root: Traversable | None = None) -> None:
        found = dict(_walk(root or files("runtime.faces.web") / "static"))
        whole = sha256()
        for path in sorted(found):
            whole.update(path.encode() + b"\0" + sha256(found[path]).digest())
        self.mark = whole.hexdigest()[:16]
        self._files: Mapping[str, Asset] = {path: self._asset(path, data) for path, data in found.items()}

    def address(self, path: str) -> str:
        """Return where a page finds a file. Raises KeyError for one that is not there: a page must not be sent out with a hole."""
        if path not in self._files:
            raise KeyError(path)
        return f"/static/{self.mark}/{path}"

    def text(self, path: str) -> str:
        """Return a text file as it is served."""
        return self._files[path].plain.decode()

    def answer(self, request: Request) -> Response | None:
        """Return the file that a request's `path` names, or None. Named by its hash it is kept for ever, else it is asked for anew."""
        path = str(request.path_params["path"])
        mark, _, rest = path.partition("/")
        is_marked = mark == self.mark
        asset = self._files.get(rest if is_marked else path) or self._files.get(rest)
        if asset is None:
            return None
        return asset.answer(request, IMMUTABLE if is_marked else "no-cache")

    def _asset(self, path: str, data: bytes) -> Asset:
        if path.endswith(REWRITTEN):
            data = data.replace(b'"/static/', b'"/static/' + self.mark.encode() + b"/")
        return packed_asset(path, data)


def _walk(folder: Traversable, before: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _walk(each, f"{before}{each.name}/")
        elif not each.name.endswith(LEFT_OUT) and not each.name.startswith("."):
            found.append((before + each.name, each.read_bytes()))
    return found
