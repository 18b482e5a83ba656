"""From our page to a real provider's and back, in a real browser: its rules for cookies and redirects are the test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from tests.support.openid_provider import CLIENT_ID, CLIENT_SECRET, openid_provider
from tests.support.people import signed_in_owner
from tests.support.server import RunningServer, start_server


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose developers come by a provider."""
    with ExitStack() as ends:
        server = start_server(tmp_path_factory.mktemp("sso"), environment={"AQUILON_MODELS": "none"})
        ends.callback(server.stop)
        issuer = ends.enter_context(openid_provider(f"{server.url}/auth/oidc/corp/callback"))
        given = {"name": "corp", "label": "Example Corp", "issuer": issuer, "email_domains": ["example.org"]}
        client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "newcomer_role": "developer"}
        signed_in_owner(server).post("/v1/server/identity-providers", json=given | client).raise_for_status()
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(locale="en-GB")
    yield await context.new_page()
    await context.close()


async def sign_in(page: Page, house: RunningServer, login: str) -> None:
    await page.goto(house.url)
    await page.get_by_role("button", name="Sign in with Example Corp").click()
    await page.locator("input[name=login]").fill(login)
    await page.locator("input[name=password]").fill("any")
    await page.locator("button[type=submit]").click()
    await page.locator("input[name=prompt][value=consent]").wait_for(state="attached")
    await page.locator("button[type=submit]").click()


async def test_a_person_signs_in_at_the_provider_and_comes_back(house: RunningServer, page: Page) -> None:
    await sign_in(page, house, "ada")
    await page.wait_for_url(f"{house.url}/")
    answer = await page.request.get(f"{house.url}/auth/session")
    assert (await answer.json())["user"]["name"] == "Ada Lovelace"
    assert await page.evaluate("document.cookie") == ""


async def test_who_is_not_let_in_is_told_so_on_our_page(house: RunningServer, page: Page) -> None:
    await sign_in(page, house, "eve")
    await expect(page.get_by_role("alert")).to_be_visible()
    assert page.url.startswith(house.url)
    assert (await page.request.get(f"{house.url}/auth/session")).status == 401
