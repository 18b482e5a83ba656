"""``aquilon keys`` and ``aquilon users``: the ways back in, while the server runs and while it doesn't."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
from tests.cli.conftest import Run
from tests.support.homes import begin_home
from tests.support.server import RunningServer


def let_in(server: RunningServer, key: str) -> bool:
    response = httpx.get(f"{server.url}/v1/models", headers={"authorization": f"Bearer {key}"})
    assert response.status_code in (200, 401)
    return response.status_code == 200


def test_a_key_is_printed_alone_and_works_at_once_until_it_is_revoked(command: Run, server: RunningServer) -> None:
    home = ("--home", str(server.home))
    created = command("keys", "create", "--name", "laptop", *home)
    assert re.fullmatch(r"aq-[A-Za-z0-9]{43}\n", created.out)
    key = created.out.strip()
    assert let_in(server, key)
    listed = [row for row in json.loads(command("keys", "list", "--json", *home).out) if row["name"] == "laptop"]
    assert len(listed) == 1
    assert key.startswith(listed[0]["prefix"])
    assert key not in command("keys", "list", *home).out
    assert command("keys", "revoke", listed[0]["id"], *home).out == "Revoked laptop\n"
    assert not let_in(server, key)


def test_a_person_gets_an_account_a_new_link_and_a_reset(run: Run, server: RunningServer) -> None:
    home = ("--home", str(server.home))

    def sign_in(link: str) -> httpx.Response:
        token = link.strip().removeprefix(f"{server.url}/#login=")
        return httpx.post(f"{server.url}/auth/login", json={"token": token}, headers={"origin": server.url})

    first = run("users", "create", "zoé", *home).out
    session = sign_in(first)
    assert session.json()["user"]["name"] == "zoé"
    assert sign_in(first).status_code == 401
    unused = run("users", "link", "zoé", *home).out
    fresh = run("users", "reset", "zoé", *home).out
    assert sign_in(unused).status_code == 401
    assert httpx.get(f"{server.url}/auth/session", cookies=session.cookies).status_code == 401
    assert sign_in(fresh).status_code == 200
    assert {"zoé", "admin"} <= {user["name"] for user in json.loads(run("users", "list", "--json", *home).out)}


def test_names_that_are_taken_or_unknown_are_explained(run: Run, server: RunningServer) -> None:
    home = ("--home", str(server.home))
    taken = run("users", "create", "admin", *home)
    assert (taken.code, taken.err) == (1, "aquilon: There is a user 'admin' already\n")
    unknown = run("users", "link", "nobody", *home)
    assert (unknown.code, "There is no user 'nobody'; the users are: " in unknown.err) == (1, True)
    key = run("keys", "revoke", "key_none", *home)
    assert (key.code, "aquilon keys list" in key.err) == (1, True)


def test_a_lost_first_key_and_link_are_made_anew_while_no_server_runs(run: Run, home: Path) -> None:
    begin_home(home)
    assert run("keys", "create", "--name", "again").code == 0
    link = run("users", "link", "admin")
    assert link.out.startswith("http://127.0.0.1:8080/#login=")
    assert "start it with `aquilon up`" in link.err
