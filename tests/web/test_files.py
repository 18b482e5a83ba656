"""Files over HTTP: what both kinds of client send and read, and what is refused."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from mistralai.client import Mistral
from openai import OpenAI
from tests.support.server import RunningServer, start_server

from aquilon.api.jobs.files_upload import is_too_slow
from aquilon.people.identity import KeyScope
from aquilon.people.scope import Scope
from aquilon.people.store import accounts, api_keys
from aquilon.people.store.workspaces import first_workspace
from aquilon.settings import Settings
from aquilon.storage import Database

MEGABYTE = 2**20
HEAD = b'--b\r\ncontent-disposition: form-data; name="file"; filename="big.bin"\r\n\r\n'
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}


@pytest.fixture(scope="module")
def server(own_organization: RunningServer) -> RunningServer:
    return own_organization


def test_openai_s_client_uploads_reads_lists_and_deletes(openai_client: OpenAI) -> None:
    uploaded = openai_client.files.create(file=("Größe.jsonl", b'{"a": 1}\n\n{"b": 2}'), purpose="batch")
    assert (uploaded.filename, uploaded.bytes, uploaded.purpose, uploaded.status) == (
        "Größe.jsonl",
        18,
        "batch",
        "processed",
    )
    assert uploaded.expires_at is not None
    assert uploaded.expires_at > uploaded.created_at
    assert openai_client.files.content(uploaded.id).read() == b'{"a": 1}\n\n{"b": 2}'
    assert openai_client.files.retrieve(uploaded.id) == uploaded
    others = [openai_client.files.create(file=(f"{n}.txt", b"x"), purpose="user_data").id for n in range(3)]
    assert [file.id for file in openai_client.files.list(purpose="user_data", limit=2)] == others[::-1]
    assert [file.id for file in openai_client.files.list(purpose="user_data", order="asc", limit=2)] == others
    for file_id in (uploaded.id, *others):
        assert openai_client.files.delete(file_id).deleted
    with pytest.raises(openai.NotFoundError, match="There is no file"):
        openai_client.files.retrieve(uploaded.id)


def test_mistral_s_client_uploads_reads_lists_links_and_deletes(mistral_client: Mistral, server: RunningServer) -> None:
    uploaded = mistral_client.files.upload(file={"file_name": "lines.jsonl", "content": b"{}\n{}\n"}, purpose="batch")
    assert (uploaded.num_lines, uploaded.sample_type, uploaded.source) == (2, "batch_request", "upload")
    retrieved = mistral_client.files.retrieve(file_id=uploaded.id)
    assert (retrieved.size_bytes, retrieved.deleted) == (6, False)
    page = mistral_client.files.list(page=0, page_size=1, search="lines", purpose="batch")
    assert page is not None
    assert ([file.id for file in page.data], page.total) == ([uploaded.id], 1)
    assert mistral_client.files.download(file_id=uploaded.id).read() == b"{}\n{}\n"
    link = mistral_client.files.get_signed_url(file_id=uploaded.id).url
    assert link.startswith(f"{server.url}/v1/files/{uploaded.id}/content?signature=")
    downloaded = httpx.get(link)
    assert downloaded.content == b"{}\n{}\n"
    assert downloaded.headers["content-disposition"] == 'attachment; filename="lines.jsonl"'
    assert downloaded.headers["content-type"] == "application/octet-stream"
    assert downloaded.headers["x-content-type-options"] == "nosniff"
    assert httpx.get(link[:-4] + "AAAA").status_code == 404
    assert mistral_client.files.delete(file_id=uploaded.id).deleted
    assert httpx.get(link).status_code == 404


@pytest.mark.parametrize(
    ("parts", "status", "says"),
    [
        ({"purpose": (None, "batch")}, 400, "a part 'file'"),
        ({"file": ("a", b""), "purpose": (None, "theft")}, 400, "The purpose is one of"),
        ({"file": ("a", b""), "visibility": (None, "world")}, 400, "The visibility is"),
        ({"file": ("a", b""), "expires_after[seconds]": (None, "5")}, 400, "3600 to"),
        ({"file": ("a", b""), "expiry": (None, "soon")}, 400, "whole number"),
        ({"file": ("dir/", b"")}, 400, "1 to 255"),
        ({"file": ("\u202e\u200b", b"")}, 400, "1 to 255"),
        ({"file": ("a" * 256, b"")}, 400, "256 visible characters"),
        ({"file": ("a", b""), "x": (None, "y" * 3000)}, 400, "more than 2048 bytes"),
    ],
)
def test_a_wrong_upload_is_refused_with_the_reason(
    http: httpx.Client, parts: dict[str, tuple[str | None, str | bytes]], status: int, says: str
) -> None:
    answer = http.post("/v1/files", files=parts)
    assert (answer.status_code, says in answer.json()["message"]) == (status, True), answer.text
    assert "detail" in answer.json()


def test_a_body_that_is_not_a_complete_form_is_refused(http: httpx.Client, server: RunningServer) -> None:
    assert http.post("/v1/files", json={}).status_code == 415
    for body in (b"", b"nonsense", HEAD, HEAD + b"abc\r\n--"):
        answer = http.post("/v1/files", content=body, headers=MULTIPART)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_multipart"), body
    assert not list((server.home / "files").rglob("*.part"))


def test_a_name_is_never_a_path(http: httpx.Client, server: RunningServer) -> None:
    uploaded = http.post(
        "/v1/files", files={"file": ("../../../etc/passwd", b"x"), "purpose": (None, "user_data")}
    ).json()
    assert uploaded["filename"] == "passwd"
    [stored] = (server.home / "files").rglob(uploaded["id"])
    assert stored.parent.name.startswith("org_")
    assert stored.stat().st_mode & 0o077 == 0
    http.delete(f"/v1/files/{uploaded['id']}")
    assert not stored.exists()
    for strange in ("..%2f..%2faquilon.db", "a" * 300, "%00"):
        assert http.get(f"/v1/files/{strange}/content").status_code in (400, 404)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Devis\u00a0: 2026.pdf", "Devis : 2026.pdf"),
        ("Screenshot at 10.00.00\u202fAM.png", "Screenshot at 10.00.00 AM.png"),
        ("re\u0301sume\u0301.txt", "résumé.txt"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467.txt", "\U0001f468\u200d\U0001f469\u200d\U0001f467.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("red\x1b[31m\x0bline\x07.txt", "red[31m line.txt"),
        ("\u200bzero\u2066.md", "zero.md"),
    ],
)
def test_a_file_keeps_what_people_see_of_its_name(http: httpx.Client, sent: str, kept: str) -> None:
    head = f'--b\r\ncontent-disposition: form-data; name="file"; filename="{sent}"\r\n\r\n'
    answer = http.post("/v1/files", content=head.encode() + b"x\r\n--b--\r\n", headers=MULTIPART)
    assert answer.json()["filename"] == kept
    http.delete(f"/v1/files/{answer.json()['id']}")


class TestLimits:
    @pytest.fixture(scope="class")
    @classmethod
    def small(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
        """Files of a megabyte, three for an organization."""
        limits = {"AQUILON_MODELS": "none", "AQUILON_MAX_FILE_BYTES": "1MB", "AQUILON_MAX_FILES_BYTES": "3MB"}
        running = start_server(tmp_path_factory.mktemp("home"), environment=limits)
        yield running
        running.stop()

    @pytest.fixture
    def client(self, small: RunningServer) -> Iterator[httpx.Client]:
        headers = {"authorization": f"Bearer {small.api_key}"}
        with httpx.Client(base_url=small.url, headers=headers, timeout=60) as client:
            yield client

    def test_a_file_that_is_too_large_is_refused_while_it_arrives(
        self, client: httpx.Client, small: RunningServer
    ) -> None:
        sent = 0

        def body() -> Iterator[bytes]:
            nonlocal sent
            yield HEAD
            for _ in range(1024):
                sent += MEGABYTE
                yield bytes(MEGABYTE)

        before = _peak_memory(small.pid)
        answer = client.post("/v1/files", content=body(), headers=MULTIPART)
        assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")
        assert sent < 64 * MEGABYTE
        assert _peak_memory(small.pid) - before < 16 * MEGABYTE
        assert not [path for path in (small.home / "files").rglob("*") if path.is_file()]

    def test_a_file_that_is_declared_too_large_is_refused_before_it_arrives(self, small: RunningServer) -> None:
        host, port = small.url.removeprefix("http://").split(":")
        lines = ["POST /v1/files HTTP/1.1", f"host: {host}", f"authorization: Bearer {small.api_key}"]
        lines += ["content-type: multipart/form-data; boundary=b", f"content-length: {2**30}", "", ""]
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall("\r\n".join(lines).encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")

    def test_an_organization_can_t_exceed_its_file_quota(self, client: httpx.Client) -> None:
        part = bytes(900 * 1024)
        answers = [client.post("/v1/files", files={"file": ("a", part)}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 413]
        assert answers[3].json()["code"] == "files_quota_exceeded"
        client.delete(f"/v1/files/{answers[0].json()['id']}")
        assert client.post("/v1/files", files={"file": ("a", part)}).status_code == 200


def test_a_file_is_visible_to_its_workspace_or_only_its_user(http: httpx.Client, server: RunningServer) -> None:
    neighbour, colleague, chat_only = asyncio.run(_others(server))
    shared = http.post("/v1/files", files={"file": ("a.txt", b"ours")}).json()["id"]
    private = http.post("/v1/files", files={"file": ("b.txt", b"mine"), "visibility": (None, "user")}).json()["id"]
    with httpx.Client(base_url=server.url) as client:

        def status(key: str, path: str, method: str = "GET") -> int:
            return client.request(method, path, headers={"authorization": f"Bearer {key}"}).status_code

        for path in (f"/v1/files/{shared}", f"/v1/files/{shared}/content", f"/v1/files/{shared}/url"):
            assert status(neighbour, path) == 404
            assert status(colleague, path) == 200
            assert status(colleague, path.replace(shared, private)) == 404
            assert status(chat_only, path) == 403
        assert status(neighbour, f"/v1/files/{shared}", "DELETE") == 404
        messages = [
            client.get(f"/v1/files/{file_id}", headers={"authorization": f"Bearer {neighbour}"}).json()["message"]
            for file_id in (shared, "file_of_nobody")
        ]
        assert messages[0].replace(shared, "?") == messages[1].replace("file_of_nobody", "?")
    for file_id in (shared, private):
        http.delete(f"/v1/files/{file_id}")


async def _others(server: RunningServer) -> tuple[str, str, str]:
    """Keys of another organization, of a colleague in the workspace, and of a colleague without the scope `files`."""
    database = await Database.open(Settings(home=server.home))
    async with database.writing() as session:
        secrets = []
        neighbours = await accounts.create_organization(session, "neighbours")
        ours = next(each for each in await accounts.list_organizations(session) if each.name == server.organization)
        scopes: list[KeyScope] = ["inference"]
        for organization, name, limits in (
            (neighbours.id, "next door", None),
            (ours.id, "colleague", None),
            (ours.id, "chatter", scopes),
        ):
            scope = Scope(organization)
            user = await accounts.create_user(session, organization, name, role="developer")
            workspace = await first_workspace(session, scope)
            key = await api_keys.create_api_key(
                session, user, workspace.id, name="k", scopes=limits or ["inference", "files", "batch"]
            )
            secrets.append(key.secret)
    await database.close()
    return secrets[0], secrets[1], secrets[2]


def _peak_memory(pid: int) -> int:
    """The peak memory of a process in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


def test_a_boundary_that_is_too_long_is_refused(http: httpx.Client) -> None:
    for length in (257, 5000):
        kind = f"multipart/form-data; boundary={'b' * length}"
        answer = http.post("/v1/files", content=b"x", headers={"content-type": kind})
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "invalid_multipart"


def test_an_upload_must_keep_a_least_average_rate() -> None:
    """After a minute, at least a kilobyte a second on average."""
    assert not is_too_slow(0, 59)
    assert is_too_slow(60, 120)
    assert not is_too_slow(60 * 1024, 120)
    assert is_too_slow(2**20, 3600)
