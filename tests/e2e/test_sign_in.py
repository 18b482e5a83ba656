from __future__ import annotations

import re

from playwright.async_api import expect
from tests.support.browser import Visitor, fresh_link


async def test_a_link_signs_in_once_and_leaves_no_trace_in_the_address(guest: Visitor) -> None:
    link = await fresh_link(guest.server)
    await guest.page.goto(link)
    await expect(guest.field).to_be_focused()
    assert guest.page.url == f"{guest.server.url}/"

    await guest.page.context.clear_cookies()
    await guest.page.goto("about:blank")
    await guest.page.goto(link)
    await expect(guest.page.get_by_role("heading", name="This link no longer works")).to_be_visible()
    await expect(guest.page.get_by_text("aquilon users link NAME")).to_be_visible()


async def test_somebody_without_a_link_is_told_how_to_get_one(guest: Visitor) -> None:
    await guest.page.goto(guest.server.url)
    await expect(guest.page.get_by_role("heading", name="Sign in with a link")).to_be_visible()
    await guest.page.get_by_role("button", name="Copy the command").click()
    assert await guest.page.evaluate("navigator.clipboard.readText()") == "aquilon users link NAME"


async def test_a_link_opened_in_a_tab_that_shows_the_sign_in_page_signs_in(guest: Visitor) -> None:
    await guest.page.goto(guest.server.url)
    await expect(guest.page.get_by_role("heading", name="Sign in with a link")).to_be_visible()
    await guest.page.goto(await fresh_link(guest.server))
    await expect(guest.field).to_be_focused()


async def test_a_spent_link_does_not_sign_out_who_is_signed_in(person: Visitor) -> None:
    await person.page.goto(f"{person.server.url}/#login=spent")
    await expect(person.field).to_be_focused()


async def test_a_reload_stays_signed_in(person: Visitor) -> None:
    await person.page.reload()
    await expect(person.field).to_be_focused()


async def test_signing_out_ends_the_session_on_the_server_too_and_forgets_what_was_written(person: Visitor) -> None:
    await person.page.goto(f"{person.server.url}/console/playground")
    await person.page.get_by_label("Message 1", exact=True).fill("A secret.")
    assert "A secret." in await person.page.evaluate("JSON.stringify(localStorage)")
    await person.page.locator("button[popovertarget=menu]").click()
    await person.page.get_by_role("button", name="Sign out").click()
    await expect(person.page.get_by_text("You have signed out.")).to_be_visible()
    assert "A secret." not in await person.page.evaluate("JSON.stringify(localStorage)")
    await person.page.reload()
    await expect(person.page.get_by_role("heading", name="Sign in with a link")).to_be_visible()


async def test_no_secret_is_kept_where_scripts_can_read_it(person: Visitor) -> None:
    """Kept is who was last here, whose drafts a page without connection may show: an id opens nothing."""
    cookie, kept, session = await person.page.evaluate("[document.cookie, { ...localStorage }, { ...sessionStorage }]")
    assert (cookie, list(kept), session) == ("", ["aquilon.person"], {})
    assert re.fullmatch(r"user_[0-9a-f]+", kept["aquilon.person"])
