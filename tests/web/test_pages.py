"""Serving the built pages, with small files in place of a build's."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from aquilon.web.pages import Files, page, page_or_file


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>chat")
    (tmp_path / "console.html").write_text("<!doctype html>console")
    (tmp_path / "explore.html").write_text("<!doctype html>explore")
    (tmp_path / "docs.html").write_text("<!doctype html>reference")
    (tmp_path / "assets" / "index-4f2a.js").write_text("let a = 1;" * 100)
    (tmp_path / "assets" / "index-4f2a.js.gz").write_bytes(gzip.compress(b"let a = 1;" * 100))
    (tmp_path / "secret.key").write_text("not served")
    return TestClient(application(tmp_path), base_url="http://127.0.0.1")


def application(folder: Path) -> FastAPI:
    app = FastAPI(openapi_url=None)
    files = Files(folder)

    @app.get("/docs-page")
    async def reference(request: Request) -> Response:
        return page(request, files, "docs.html")

    @app.api_route("/{path:path}", methods=["GET", "HEAD", "POST"])
    async def anything(request: Request) -> Response:
        return page_or_file(request, files)

    return app


def test_a_page_is_revalidated_each_time(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.text == "<!doctype html>chat"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert client.get("/", headers={"if-none-match": answer.headers["etag"]}).status_code == 304


def test_assets_with_a_hash_may_be_cached_for_ever(client: TestClient) -> None:
    headers = client.get("/assets/index-4f2a.js").headers
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["content-type"] == "text/javascript; charset=utf-8"


def test_clients_that_accept_gzip_get_the_compressed_file(client: TestClient) -> None:
    packed = client.get("/assets/index-4f2a.js", headers={"accept-encoding": "gzip"})
    plain = client.get("/assets/index-4f2a.js", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert "accept-encoding" in packed.headers["vary"].lower()


def test_a_browser_that_navigates_to_a_conversation_gets_the_page(client: TestClient) -> None:
    assert client.get("/c/123", headers={"sec-fetch-mode": "navigate"}).text == "<!doctype html>chat"
    assert client.get("/c/123", headers={"accept": "text/html"}).text == "<!doctype html>chat"
    by_firefoxs_worker = {"sec-fetch-mode": "same-origin", "accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert client.get("/c/123", headers=by_firefoxs_worker).text == "<!doctype html>chat"


@pytest.mark.parametrize("name", ["console", "explore"])
def test_every_path_of_the_console_and_of_explore_is_the_same_page(client: TestClient, name: str) -> None:
    for path in (f"/{name}", f"/{name}/", f"/{name}/keys", f"/{name}/nothing/there"):
        assert client.get(path, headers={"sec-fetch-mode": "navigate"}).text == f"<!doctype html>{name}"
    assert client.get(f"/{name}s", headers={"sec-fetch-mode": "navigate"}).status_code == 404


@pytest.mark.parametrize(
    ("accepted", "language", "title"),
    [
        ("it-CH, it;q=0.9, en;q=0.8", "it", "Qui non c’è nessuna pagina"),
        ("en;q=0.5, fr;q=0.7", "fr", "Il n’y a pas de page ici"),
        ("pl, *;q=0.1", "en", "There is no page here"),
        ("de;q=x", "en", "There is no page here"),
    ],
)
def test_an_address_that_no_page_has_leads_back_in_the_reader_s_language(
    client: TestClient, accepted: str, language: str, title: str
) -> None:
    for path in ("/nowhere", "/c/", "/c/1/2", "/nowhere%3Cscript%3E"):
        answer = client.get(path, headers={"sec-fetch-mode": "navigate", "accept-language": accepted})
        assert answer.status_code == 404
        assert f'<html lang="{language}">' in answer.text
        assert f"<h1>{title}</h1>" in answer.text
        assert '<a href="/">' in answer.text
        assert "script" not in answer.text


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/c/123", {"sec-fetch-mode": "cors", "accept": "text/html"}),
        ("/c/123", {"sec-fetch-mode": "same-origin", "accept": "*/*"}),
        ("/c/123", {"accept": "application/json"}),
        ("/v1/nothing", {"sec-fetch-mode": "navigate"}),
        ("/assets/gone-1234.js", {"sec-fetch-mode": "no-cors"}),
        ("/secret.key", {}),
        ("/assets/index-4f2a.js.gz", {}),
        ("/assets/../secret.key", {}),
        ("/assets/%2e%2e/secret.key", {}),
    ],
)
def test_all_other_paths_are_not_found(client: TestClient, path: str, headers: dict[str, str]) -> None:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_path"


def test_only_get_and_head_get_a_page(client: TestClient) -> None:
    assert client.head("/").status_code == 200
    assert client.post("/", headers={"accept": "text/html"}).status_code == 404


def test_without_a_built_front_end_the_answer_says_how_to_build_it(tmp_path: Path) -> None:
    bare = TestClient(application(tmp_path / "nothing"), base_url="http://127.0.0.1")
    assert bare.get("/").status_code == 503
    assert "make install" in bare.get("/docs-page").text
