"""Browsers of people for the tests of signing in."""

from __future__ import annotations

import httpx
from tests.support.server import RunningServer

PASSWORD = "correct horse battery staple"

BEHIND_A_PROXY = {"AQUILON_TRUSTED_PROXIES": "127.0.0.1"}
"""Variables of a server under which tests can send requests from other addresses, as a proxy does."""


def browser(server: RunningServer, *, address: str | None = None) -> httpx.Client:
    """A client that sends the headers of a browser on the server's own page.

    With ``address`` it sends from there over https; the server must be `BEHIND_A_PROXY`.
    """
    headers = {"origin": server.url, "sec-fetch-site": "same-origin"}
    if address is not None:
        headers |= {
            "x-forwarded-for": address,
            "x-forwarded-proto": "https",
            "origin": server.url.replace("http://", "https://"),
        }
    return httpx.Client(base_url=server.url, headers=headers, timeout=60)


def signed_in_owner(server: RunningServer) -> httpx.Client:
    """The owner, signed in with the link that the first start printed; it works once per server."""
    owner = browser(server)
    token = server.login_link.partition("#login=")[2]
    assert owner.post("/auth/login", json={"token": token}).status_code == 200
    return owner


def joined(server: RunningServer, owner: httpx.Client, name: str, *, role: str = "member") -> httpx.Client:
    """A new person whom ``owner`` invited, signed in, with `PASSWORD`."""
    token = owner.post("/v1/organization/invitations", json={"role": role}).json()["token"]
    person = browser(server)
    body = {"token": token, "name": name, "email": f"{name}@example.org", "password": PASSWORD}
    assert person.post("/auth/join", json=body).status_code == 200
    return person


def cookie_header(person: httpx.Client) -> dict[str, str]:
    return {"cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.cookies.jar)}
