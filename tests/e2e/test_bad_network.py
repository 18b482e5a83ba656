"""A network that loses answers: nothing is asked twice, and what was written arrives."""

from __future__ import annotations

import re
from dataclasses import replace

from playwright.async_api import Browser, expect
from tests.support.bad_network import bad_network
from tests.support.browser import Visitor, visitor
from tests.support.server import RunningServer


async def test_a_document_says_how_much_of_it_is_sent_and_a_removed_one_is_sent_no_further(person: Visitor) -> None:
    devtools = await person.page.context.new_cdp_session(person.page)
    slow = {"offline": False, "latency": 100, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
    await devtools.send("Network.emulateNetworkConditions", slow)
    text = "A fox jumps over the line.\n\n" * 100_000
    await person.page.locator("input[type=file]").set_input_files(
        {"name": "long.txt", "mimeType": "text/plain", "buffer": text.encode()}
    )
    await expect(person.page.get_by_text(re.compile(r"Sending, \d+%"))).to_be_visible()
    async with person.page.expect_event("requestfailed", lambda request: request.url.endswith("/documents")):
        await person.page.get_by_role("button", name=re.compile("Remove.*long.txt")).click()
    await expect(person.page.get_by_text("long.txt")).to_have_count(0)
    await devtools.detach()


async def test_another_answer_that_is_cut_off_before_it_begins_is_one_answer(
    browser: Browser, server: RunningServer
) -> None:
    async with (
        bad_network(server.url) as network,
        visitor(browser, replace(server, url=network.url)) as someone,
    ):
        await someone.sign_in()
        await someone.shorten_answers(6)
        versions = someone.turns.last.get_by_role("group", name="Versions of the answer")
        await someone.ask("Count to a hundred.")
        await someone.expect_state("finished")
        for number, name in ((2, "Answer again"), (3, "Continue")):
            network.fates["POST /v1/responses "] = "cut"
            await someone.page.get_by_role("button", name=name).click()
            await expect(versions).to_contain_text(f"{number}/{number}")
            await someone.expect_state("finished")
        assert network.lost == ["POST /v1/responses "] * 2
        await someone.reload()
        await expect(versions).to_contain_text("3/3")


async def test_a_question_whose_answer_is_cut_off_before_it_begins_is_asked_once(
    browser: Browser, server: RunningServer
) -> None:
    """Browsers send such a request again by themselves, and so does the page."""
    async with (
        bad_network(server.url) as network,
        visitor(browser, replace(server, url=network.url)) as someone,
    ):
        await someone.sign_in()
        await someone.shorten_answers()
        await someone.ask("Say one word.")
        await someone.expect_state("finished")
        for question in ("Say another word.", "And one more."):
            network.fates["POST /v1/responses "] = "cut"
            await someone.ask(question)
            await someone.expect_state("finished")
        assert network.lost == ["POST /v1/responses "] * 2
        await someone.reload()
        await expect(someone.turns.locator(".bubble")).to_have_text(
            ["Say one word.", "Say another word.", "And one more."]
        )
        await expect(someone.page.get_by_role("button", name="Previous version")).to_have_count(0)


async def test_a_conversation_whose_making_is_cut_off_is_made_once(browser: Browser, server: RunningServer) -> None:
    async with (
        bad_network(server.url) as network,
        visitor(browser, replace(server, url=network.url)) as someone,
    ):
        await someone.sign_in()
        await someone.shorten_answers()
        count = "fetch('/v1/conversations?limit=100').then((answer) => answer.json()).then(({ data }) => data.length)"
        before = await someone.page.evaluate(count)
        network.fates["POST /v1/conversations "] = "cut"
        await someone.ask("Say one word.")
        await someone.expect_state("finished")
        assert network.lost == ["POST /v1/conversations "]
        assert await someone.page.evaluate(count) == before + 1
