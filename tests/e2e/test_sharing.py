"""A conversation that is shared, opened by a stranger, continued by a colleague, revoked; files that are imported."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from tests.support.answers import HOSTILE
from tests.support.browser import Visitor, visitor

HOSTILE_TITLE = '<img src=x onerror="window.owned = 1">\u202e</title><script>window.owned = 2</script>'


async def ask_server(person: Visitor, method: str, path: str, body: Any = None) -> Any:
    """As the page does it, with the person's session."""
    answer = await person.page.context.request.fetch(
        person.server.url + path,
        method=method,
        headers={"origin": person.server.url, "content-type": "application/json"},
        data=None if body is None else json.dumps(body),
    )
    assert answer.ok, await answer.text()
    return await answer.json() if answer.status != 204 else None


async def shared(person: Visitor, **more: Any) -> tuple[str, dict[str, Any]]:
    """A hostile conversation's id, and its share."""
    items = [{"type": "message", "role": role, "content": f"{role}\n\n{HOSTILE}"} for role in ("user", "assistant")]
    conversation = await ask_server(person, "POST", "/v1/conversations", {"title": HOSTILE_TITLE, "items": items})
    share = await ask_server(person, "POST", "/v1/shares", {"conversation_id": conversation["id"], **more})
    return conversation["id"], share


async def expect_nothing_ran(page: Page) -> None:
    assert await page.evaluate("window.owned") is None
    foreign = "script:not([src]), main img, iframe, form, .markdown [style], [onerror], [onload], main [href^='j']"
    await expect(page.locator(foreign)).to_have_count(0)


async def test_a_stranger_reads_a_shared_conversation_until_it_is_revoked(browser: Browser, person: Visitor) -> None:
    conversation_id, share = await shared(person, show_name=True)
    async with visitor(browser, person.server) as stranger:
        requested: list[str] = []
        stranger.page.on("request", lambda request: requested.append(request.url + str(request.headers)))
        answer = await stranger.page.goto(person.server.url + share["path"])
        assert answer is not None
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        heading = stranger.page.get_by_role("heading", level=1)
        await expect(heading).to_have_text(HOSTILE_TITLE)
        await expect(stranger.page.get_by_text("A machine wrote the answers. They can be wrong.")).to_be_visible()
        await expect(stranger.page.get_by_text("Shared by admin on")).to_be_visible()
        await expect(stranger.page.locator(".bubble")).to_contain_text("<script>window.owned = 1</script>")
        await expect(stranger.page.locator(".answer .coloured")).to_have_count(1)
        await expect(stranger.page.locator(".answer math").first).to_be_attached()
        await expect(stranger.page.get_by_role("button", name="Continue in my own conversation")).to_have_count(0)
        await expect_nothing_ran(stranger.page)
        assert await stranger.serious_issues() == []
        assert [one for one in requested if share["token"] in one.replace(share["path"], "")] == []
        assert [one for one in requested if not one.startswith(person.server.url)] == []

        await ask_server(
            person,
            "POST",
            f"/v1/conversations/{conversation_id}/items",
            {"items": [{"role": "user", "content": "A later secret"}]},
        )
        await stranger.page.reload()
        await expect(heading).to_have_text(HOSTILE_TITLE)
        await expect(stranger.page.get_by_text("A later secret")).to_have_count(0)

        await ask_server(person, "DELETE", f"/v1/shares/{share['id']}")
        await stranger.page.reload()
        await expect(heading).to_have_text("Nothing is shared here")
        assert await stranger.serious_issues() == []


async def test_a_signed_in_reader_goes_on_in_a_conversation_of_their_own(person: Visitor) -> None:
    _, share = await shared(person)
    await person.page.goto(person.server.url + share["path"])
    await person.page.get_by_role("button", name="Continue in my own conversation").click()
    await person.page.wait_for_url("**/c/conv_*")
    copy = await ask_server(person, "GET", "/v1/conversations/" + person.page.url.rpartition("/")[2])
    assert (copy["title"], copy["visibility"]) == (HOSTILE_TITLE.replace("\u202e", "\u202e"), "user")


async def test_a_reader_keeps_what_is_on_the_page_when_the_link_ends_and_is_told_that_it_did(person: Visitor) -> None:
    _, share = await shared(person)
    await person.page.goto(person.server.url + share["path"])
    await expect(person.page.get_by_role("heading", level=1)).to_have_text(HOSTILE_TITLE)
    await ask_server(person, "DELETE", f"/v1/shares/{share['id']}")
    await person.page.get_by_role("button", name="Continue in my own conversation").click()
    await expect(person.page.get_by_role("alert")).to_contain_text("The link was revoked, has expired")
    await expect(person.page.get_by_role("heading", level=1)).to_have_text(HOSTILE_TITLE)


@pytest.mark.parametrize("size", ["desk", pytest.param("phone", marks=pytest.mark.slow)])
@pytest.mark.slow
async def test_a_file_is_imported_from_the_menu(person: Visitor, size: str) -> None:
    if size == "phone":
        await person.page.set_viewport_size({"width": 390, "height": 844})
    message = {"role": "user", "content": f"{HOSTILE} {size}"}  # the same again would be no second conversation
    file = [
        {"title": HOSTILE_TITLE, "chat": {"history": {"messages": {"a": message}}}},
        {"title": "A circle", "mapping": {"a": {"parent": "a"}}},
    ]
    await person.page.locator("button[popovertarget=menu]").click()
    await person.page.get_by_role("button", name="Import conversations…").click()
    dialog = person.page.get_by_role("dialog", name="Import conversations")
    chooser = dialog.locator("input[type=file]")
    content = json.dumps(file).encode()
    await expect(dialog.get_by_text("No file chosen")).to_be_visible()
    await chooser.set_input_files({"name": "chats.json", "mimeType": "application/json", "buffer": content})
    await expect(dialog.get_by_text("chats.json")).to_be_visible()
    await dialog.get_by_role("button", name="Import", exact=True).click()
    await expect(dialog.get_by_text("1 conversation was imported.")).to_be_visible()
    await expect(dialog.get_by_role("link")).to_have_text(HOSTILE_TITLE.strip())
    await expect(dialog.get_by_text("A circle: its messages form a circle")).to_be_visible()
    await expect_nothing_ran_in_dialog(person.page)
    assert await person.serious_issues() == []
    await chooser.set_input_files({"name": "x.json", "mimeType": "application/json", "buffer": b"{}"})
    await dialog.get_by_role("button", name="Import", exact=True).click()
    await expect(dialog.get_by_text("This file is no export that can be read here.")).to_be_visible()
    await person.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)


async def expect_nothing_ran_in_dialog(page: Page) -> None:
    assert await page.evaluate("window.owned") is None
    await expect(page.locator("dialog").locator("img, script, iframe, [onerror]")).to_have_count(0)
