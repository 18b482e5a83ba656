"""Lists of thousands: a part is drawn, all can be found, and announcements leave room for the page."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect
from sqlalchemy import insert
from tests.support.browser import visitor
from tests.support.console import ConsoleVisitor
from tests.support.server import RunningServer, start_server

from aquilon.people.administration import members
from aquilon.people.first_run import operator
from aquilon.people.secrets import new_id
from aquilon.people.tables import User
from aquilon.settings import Settings
from aquilon.storage import Database

PEOPLE = 2_150
"""More than the pages that the console once read."""


_UPLOAD = """
async () => {
  const body = new FormData();
  body.append("purpose", "assistants");
  body.append("file", new File(["Carrots are sown in March."], "carrots.txt"));
  return (await (await fetch("/v1/files", { method: "POST", body })).json()).id;
}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("long-lists"), environment={"AQUILON_MODELS": "none"})
    yield running
    running.stop()


async def add_people(home: Path) -> None:
    database = await Database.open(Settings(home=home))
    try:
        [owner] = await members.visible(database, await operator(database))
        common = {"organization_id": owner.organization_id, "role": "member", "created_at": 1, "email_vouched": False}
        rows = [common | {"id": new_id("user"), "name": f"Person {number:04}"} for number in range(PEOPLE)]
        rows[-1] |= {"name": "Zoé Last", "email": "zoe@example.org"}
        async with database.writing() as session:
            await session.execute(insert(User), rows)
    finally:
        await database.close()


async def test_of_thousands_of_people_a_part_is_drawn_and_each_is_found(
    browser: Browser, gateway: RunningServer
) -> None:
    await add_people(gateway.home)
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    async with visitor(browser, gateway, ConsoleVisitor) as owner:
        await owner.enter()
        await owner.page.route("**/v1/organization/users?*after=*", hold)
        await owner.open("/members")
        page, rows = owner.page, owner.page.locator("tbody tr")
        await expect(rows).to_have_count(100)
        await expect(page.get_by_text("100 of 100 so far")).to_be_visible()
        await page.get_by_label("Find in the list").fill("ZOE example")
        await expect(rows).to_have_count(0)
        await expect(page.get_by_text("Nothing in the list has these words.")).to_have_count(0)
        held.set()
        await expect(owner.row("Zoé Last")).to_be_visible()
        await page.get_by_label("Find in the list").fill("")
        await expect(page.get_by_text(f"100 of {PEOPLE + 1:,}")).to_be_visible()
        await page.get_by_role("button", name="Show more").click()
        await expect(rows).to_have_count(200)
        await page.get_by_label("Find in the list").fill("ZOE example")
        await expect(rows).to_have_count(1)
        await expect(owner.row("Zoé Last")).to_be_visible()
        await page.get_by_label("Find in the list").fill("nobody")
        await expect(page.get_by_text("Nothing in the list has these words.")).to_be_visible()


async def test_many_announcements_leave_room_for_the_page_and_stay_away_once_put_away(
    browser: Browser, gateway: RunningServer
) -> None:
    async with visitor(browser, gateway, ConsoleVisitor) as owner:
        await owner.enter()
        for number in range(12):
            level = "warning" if number == 0 else "info"
            await owner.make("/v1/organization/announcements", {"text": f"News {number}", "level": level})
        await owner.page.goto(gateway.url)
        shown = owner.page.get_by_role("region", name="Announcements").get_by_role("paragraph")
        await expect(shown).to_have_text(["News 0", "News 11", "News 10"])
        await owner.page.get_by_role("button", name="Show all announcements (12)").click()
        await expect(shown).to_have_count(12)
        for _ in range(12):
            await owner.page.get_by_role("button", name="Put away").first.click()
        await expect(shown).to_have_count(0)
        await owner.reload()
        await expect(shown).to_have_count(0)


async def test_a_library_is_found_behind_those_of_a_hundred_conversations_with_documents(
    browser: Browser, gateway: RunningServer
) -> None:
    async with visitor(browser, gateway, ConsoleVisitor) as owner:
        await owner.enter()
        library = await owner.make("/v1/vector_stores", {"name": "Gardening"})
        file = await owner.page.evaluate(_UPLOAD)
        await owner.make(f"/v1/vector_stores/{library['id']}/files", {"file_id": file})
        await asyncio.gather(*(owner.make("/v1/vector_stores", {"name": "conversation"}) for _ in range(101)))
        await owner.page.goto(gateway.url)
        await owner.page.get_by_role("button", name="Attach documents", exact=True).click()
        await owner.page.get_by_role("menuitem", name="Attach a library").click()
        await expect(owner.page.get_by_role("button", name="Gardening")).to_be_visible()


async def test_an_assistant_on_a_later_page_is_found(browser: Browser, gateway: RunningServer) -> None:
    async with visitor(browser, gateway, ConsoleVisitor) as owner:
        await owner.enter()
        model = {"model": "multilingual-e5-small", "instructions": "Be brief."}
        await owner.make("/v1/agents", {"name": "Sextant", **model})
        others = [{"name": f"Assistant {number}", **model} for number in range(110)]
        await asyncio.gather(*(owner.make("/v1/agents", other) for other in others))
        await owner.page.goto(gateway.url)
        await owner.page.get_by_role("button", name="Assistants", exact=True).click()
        dialog = owner.page.get_by_role("dialog")
        await expect(dialog.get_by_text("Assistant 109")).to_be_visible()
        await dialog.get_by_role("searchbox").press_sequentially("sextant")
        await expect(dialog.get_by_text("Sextant")).to_be_visible()


def talk_of_chatgpt(number: int) -> dict[str, Any]:
    message = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Hello"]}}
    node = {"id": "a", "parent": None, "children": [], "message": message}
    return {"title": f"Talk {number}", "create_time": 1.7e9 + number, "mapping": {"a": node}, "current_node": "a"}


async def test_of_hundreds_of_conversations_only_those_in_sight_are_drawn(
    browser: Browser, gateway: RunningServer
) -> None:
    async with visitor(browser, gateway, ConsoleVisitor, viewport={"width": 1440, "height": 900}) as owner:
        await owner.enter()
        await owner.make("/v1/conversations/import", [talk_of_chatgpt(number) for number in range(250)])
        await owner.page.goto(gateway.url)
        rows = owner.page.locator(".rows")
        oldest = rows.get_by_role("link", name="Talk 0", exact=True)
        await rows.get_by_role("link", name="Talk 249", exact=True).focus()
        while not await oldest.count():  # a page of the list has a hundred
            assert 0 < await rows.get_by_role("listitem").count() < 60
            await owner.page.keyboard.press("End")
        await expect(oldest).to_be_in_viewport()
