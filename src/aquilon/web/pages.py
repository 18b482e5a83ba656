"""The built front end: the chat, the console, Explore, the API reference, and their files."""

from __future__ import annotations

import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response

from aquilon.api.errors import error_response
from aquilon.errors import not_found
from aquilon.web.artifact_frame import FRAME, FRAME_HEADERS
from aquilon.web.no_page import no_page

STATIC = Path(__file__).parent / "static"

_IMMUTABLE = "public, max-age=31536000, immutable"
_REVALIDATED = "no-cache"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_PAGES_OF_MANY_PATHS = ("console", "explore")
_OF_THE_CHAT = re.compile(r"|c/[^/]+/?")
"""A new conversation, and one by its id."""
API_PATHS = ("v1/", "auth/", "api/")


class Files:
    """The files that a folder had at start-up. Only these can be read, whatever path a client sends."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in (folder.rglob("*") if folder.is_dir() else ())
            if path.is_file() and path.suffix in _TYPES
        }

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def response(self, request: Request, name: str) -> Response:
        """The file of this name. A file under ``assets/`` has a hash of its content in its name and never changes."""
        path = self._files[name]
        headers = {
            "cache-control": _IMMUTABLE if name.startswith("assets/") else _REVALIDATED,
            "vary": "accept-encoding",
        }
        media_type = _TYPES[path.suffix]
        compressed = path.with_name(path.name + ".gz")
        if "gzip" in request.headers.get("accept-encoding", "") and compressed.is_file():
            headers["content-encoding"] = "gzip"
            path = compressed
        response = FileResponse(path, headers=headers, media_type=media_type, stat_result=path.stat())
        if request.headers.get("if-none-match") == response.headers["etag"]:
            cache_headers = {name: response.headers[name] for name in ("cache-control", "etag", "vary")}
            return Response(status_code=304, headers=cache_headers)
        return response


def page(request: Request, files: Files, name: str) -> Response:
    """The page of this name, or 503 if the front end isn't built."""
    if name in files:
        return files.response(request, name)
    return PlainTextResponse(
        "The pages are not built here; the API works. In a checkout, `make install` builds them.\n", 503
    )


def page_or_file(request: Request, files: Files) -> Response:
    """The file at the path, or a page if a browser navigates there: the page knows paths that the server doesn't."""
    name = request.url.path.removeprefix("/")
    reads = request.method in ("GET", "HEAD")
    if reads and name in files:
        return files.response(request, name)
    if reads and name == "artifact-frame":
        return HTMLResponse(FRAME, headers=FRAME_HEADERS)
    mode = request.headers.get("sec-fetch-mode")
    navigates = mode == "navigate" or (  # a page that Firefox's service worker fetches is asked for as "same-origin"
        mode in (None, "same-origin") and "text/html" in request.headers.get("accept", "")
    )
    if not reads or (name and (not navigates or name.startswith(API_PATHS))):
        return error_response(not_found(f"There is nothing at {request.method} /{name[:200]}", code="unknown_path"))
    first = name.partition("/")[0]
    if first in _PAGES_OF_MANY_PATHS:
        return page(request, files, f"{first}.html")
    return page(request, files, "index.html") if _OF_THE_CHAT.fullmatch(name) else no_page(request)
