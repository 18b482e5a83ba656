"""A server on loopback that answers like a Hugging Face hub, and can be made to fail in the ways that hubs do."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class HubRepository:
    files: dict[str, bytes]
    commit: str = "c0ffee" + "0" * 34
    gated: bool | str = False
    card: dict[str, Any] = field(default_factory=dict)
    gguf: dict[str, Any] | None = None


@dataclass
class FakeHub:
    """What it holds, how it fails, and what it was asked. ``endpoint`` goes into HF_ENDPOINT."""

    endpoint: str = ""
    content_endpoint: str = ""
    """The other server, on another port, that large files are redirected to."""
    repositories: dict[str, HubRepository] = field(default_factory=dict)
    token: str | None = None
    """Wanted for gated repositories."""
    break_after: list[int] = field(default_factory=list)
    """Bytes after which the next answers for large files break off; used up one by one."""
    served: dict[str, bytes] = field(default_factory=dict)
    """Files served with other bytes than the ones listed."""
    ranges: bool = True
    held: threading.Event | None = None
    """The second half of a large file is sent when this is set."""
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """Path, Range and Authorization of each."""

    def describe(self, name: str) -> dict[str, Any]:
        repository = self.repositories[name]
        siblings = []
        for path, content in repository.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            sibling: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": blob}
            if _is_large(path):
                sibling["lfs"] = {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "size": len(content),
                    "pointerSize": 134,
                }
            siblings.append(sibling)
        answer = {"id": name, "sha": repository.commit, "gated": repository.gated, "siblings": siblings}
        answer |= {"cardData": repository.card, "private": False}
        return answer | ({"gguf": repository.gguf} if repository.gguf else {})


def _is_large(path: str) -> bool:
    return path.endswith((".safetensors", ".gguf"))


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((path, self.headers.get("range"), self.headers.get("authorization")))
            if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path):
                self.describe(match[1], match[2])
            elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                self.resolve(match[1], match[2], match[3])
            elif match := re.fullmatch(r"/content/([^/]+/[^/]+)/(.+)", path):
                self.content(match[1], match[2])
            else:
                self.refuse(404, "")

        def describe(self, name: str, revision: str) -> None:
            if name not in hub.repositories:
                self.refuse(401, "")
            elif revision not in ("main", hub.repositories[name].commit):
                self.refuse(404, "RevisionNotFound")
            else:
                self.answer(200, json.dumps(hub.describe(name)).encode())

        def resolve(self, name: str, commit: str, file: str) -> None:
            repository = hub.repositories[name]
            if repository.gated and self.headers.get("authorization") != f"Bearer {hub.token}":
                self.refuse(403 if self.headers.get("authorization") else 401, "GatedRepo")
            elif commit != repository.commit:
                self.refuse(404, "RevisionNotFound")
            elif file not in repository.files:
                self.refuse(404, "EntryNotFound")
            elif _is_large(file):
                self.answer(302, b"", location=f"{hub.content_endpoint}/content/{name}/{file}?signature=x")
            else:
                self.answer(200, hub.served.get(file, repository.files[file]))

        def content(self, name: str, file: str) -> None:
            content = hub.served.get(file, hub.repositories[name].files[file])
            begin = 0
            if hub.ranges and (match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))):
                begin = int(match[1])
            self.send_response(206 if begin else 200)
            self.send_header("content-length", str(len(content) - begin))
            if begin:
                self.send_header("content-range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if hub.held is not None:
                half = begin + (len(content) - begin) // 2
                self.wfile.write(content[begin:half])
                self.wfile.flush()
                hub.held.wait(60)
                begin = half
            if hub.break_after:
                self.wfile.write(content[begin : begin + hub.break_after.pop(0)])
                self.close_connection = True
            else:
                self.wfile.write(content[begin:])

        def refuse(self, status: int, code: str) -> None:
            self.answer(status, b'{"error": "refused"}', **({"x-error-code": code} if code else {}))

        def answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that has seen enough hangs up

    servers = [Server(("127.0.0.1", 0), Handler) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    hub.endpoint, hub.content_endpoint = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
