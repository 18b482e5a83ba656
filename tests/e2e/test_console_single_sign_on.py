"""Signing in at a real identity provider, in a real browser, after the console has made it known."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect
from tests.support.browser import visitor
from tests.support.console import ConsoleVisitor
from tests.support.openid_provider import CLIENT_ID, CLIENT_SECRET, openid_provider
from tests.support.server import RunningServer


@pytest.mark.slow
async def test_a_provider_is_added_and_people_come_in_by_it(
    browser: Browser, server: RunningServer, owner: ConsoleVisitor
) -> None:
    with openid_provider(f"{server.url}/auth/oidc/corp/callback") as issuer:
        await owner.open("/sign-on")
        await owner.page.get_by_role("button", name="Add a provider").click()
        form = owner.dialog
        await form.get_by_label("Name in addresses").fill("corp")
        await expect(form.get_by_text(f"{server.url}/auth/oidc/corp/callback")).to_be_visible()
        await form.get_by_label("Name on the button").fill("Example Corp")
        await form.get_by_label("Issuer").fill(issuer)
        await form.get_by_label("Client ID").fill(CLIENT_ID)
        await form.get_by_label("Client secret").fill(CLIENT_SECRET)
        await form.get_by_label("Newcomers").select_option("developer")
        await form.get_by_label("E-mail domains").fill("example.org")
        await form.get_by_role("button", name="Add a provider").click()
        await owner.act("Check", "Example Corp")
        await expect(owner.row("Example Corp")).to_contain_text("It answers:")

        async with visitor(browser, server, ConsoleVisitor) as ada:
            await ada.page.goto(f"{server.url}/console")
            await ada.page.get_by_role("button", name="Sign in with Example Corp").click()
            await sign_in_there(ada, "ada")
            await expect(
                ada.page.get_by_text("Good to see you, Ada Lovelace. Your role here: Developer.")
            ).to_be_visible()
            assert ada.page.url == f"{server.url}/console"
            await ada.follow("/account")
            await expect(ada.row("Example Corp")).to_contain_text("ada@example.org")

        async with visitor(browser, server, ConsoleVisitor) as eve:
            await eve.page.goto(f"{server.url}/console")
            await eve.page.get_by_role("button", name="Sign in with Example Corp").click()
            await sign_in_there(eve, "eve")
            await expect(eve.page.get_by_role("alert")).to_contain_text("is not one that may sign in here")

        await owner.act("Change", "Example Corp")
        await expect(form.get_by_label("Client secret")).to_have_value("")
        await form.get_by_label("Name on the button").fill("Example Corporation")
        await form.get_by_label("E-mail domains").fill("example.org, elsewhere.example")
        await form.get_by_role("button", name="Save").click()
        await expect(owner.row("Example Corporation")).to_contain_text("example.org, elsewhere.example")

        async with visitor(browser, server, ConsoleVisitor) as eve:
            await eve.page.goto(f"{server.url}/console")
            await eve.page.get_by_role("button", name="Sign in with Example Corporation").click()
            await sign_in_there(eve, "eve")
            await expect(eve.page.get_by_text("Good to see you, Eve.")).to_be_visible()

        await owner.act("Remove", "Example Corporation")
        await owner.dialog.get_by_label("Write “corp” to confirm").fill("corp")
        await owner.dialog.get_by_role("button", name="Remove").click()
        await expect(owner.row("Example Corp")).to_have_count(0)


async def sign_in_there(person: ConsoleVisitor, login: str) -> None:
    """At the provider's own pages."""
    await person.page.locator("input[name=login]").fill(login)
    await person.page.locator("input[name=password]").fill("any")
    await person.page.locator("button[type=submit]").click()
    await person.page.get_by_role("button", name="Continue").click()
