"""What can be done with a conversation and with its answers, from the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.async_api import Browser, expect
from tests.support.people import joined
from tests.support.talker import MODEL, Talker, at_the_page, talking_server


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talker]:
    with talking_server(tmp_path_factory.mktemp("talker")) as running:
        yield running


async def test_an_answer_is_judged_and_the_conversation_shared_exported_found_and_followed(
    browser: Browser, talker: Talker
) -> None:
    talker.says({"Tell me of herons": "Herons stand still. " * 40, "And of gulls?": "Gulls are never still."})
    async with at_the_page(browser, talker) as someone:
        page = someone.page
        await someone.ask("Tell me of herons")
        await someone.expect_state("finished")
        await someone.ask("And of gulls?")
        await someone.expect_state("finished")
        await page.wait_for_url("**/c/*")
        conversation = page.url.rpartition("/")[2]

        await someone.turns.last.get_by_role("button", name="Good answer").click()
        await page.get_by_role("radio", name="Correct").check(force=True)
        await page.locator("form:has(fieldset)").get_by_role("button", name="Send").click()
        await page.reload()
        await expect(someone.turns.last.get_by_role("button", name="Good answer")).to_have_attribute(
            "aria-pressed", "true"
        )
        [judged] = talker.owner.get(f"/v1/conversations/{conversation}/feedback").json()["data"]
        assert (judged["rating"], judged["reason"]) == ("up", "accurate")

        await page.locator("button[popovertarget=menu]").click()
        async with page.expect_download() as download:
            await page.get_by_role("button", name="Export as Markdown").click()
        assert "Gulls are never still." in (await (await download.value).path()).read_text()
        title = talker.owner.get(f"/v1/conversations/{conversation}").json()["title"]
        await page.get_by_role("button", name=f"Actions for “{title}”").click()
        await page.get_by_role("menuitem", name="Share…").click()
        await page.get_by_label("Share with the workspace").check()
        await page.keyboard.press("Escape")

        with closing(joined(talker.server, talker.owner, "colleague")) as colleague:
            asked = {"model": MODEL, "conversation": conversation, "input": "And of gulls?"}
            colleague.post("/v1/responses", json=asked).raise_for_status()
            await expect(someone.turns).to_have_count(3)
            await someone.expect_state("finished")

        await page.get_by_role("button", name="New conversation").first.click()
        await page.get_by_label("Search conversations").fill("herons stand")
        await page.locator(".hits a").first.click()
        await expect(page.locator(".turn.reached")).to_contain_text("Tell me of herons")
        await expect(page.locator(".turn.reached")).to_be_focused()
        await page.keyboard.press("Control+k")
        await page.get_by_role("combobox").fill("temporary")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Nothing of this conversation is kept")).to_be_visible()
