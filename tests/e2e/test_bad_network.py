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
    text = "A fox jumps over the line.\n\n" * 40_000
    await person.page.locator("input[type=file]").set_input_files(
        {"name": "long.txt", "mimeType": "text/plain", "buffer": text.encode()}
    )
    await expect(person.page.get_by_text(re.compile(r"Sending, \d+%"))).to_be_visible()
    async with person.page.expect_event("requestfailed", lambda request: request.url.endswith("/documents")):
        await person.page.get_by_role("button", name=re.compile("Remove.*long.txt")).click()
    await expect(person.page.get_by_text("long.txt")).to_have_count(0)
    await devtools.detach()


async def test_what_is_cut_off_before_its_answer_begins_is_done_once(browser: Browser, server: RunningServer) -> None:
    """Browsers send such a request again by themselves, and so does the page."""
    making, asking = "POST /v1/conversations ", "POST /v1/responses "
    count = "fetch('/v1/conversations?limit=100').then((answer) => answer.json()).then(({ data }) => data.length)"
    async with (
        bad_network(server.url) as network,
        visitor(browser, replace(server, url=network.url)) as someone,
    ):
        await someone.sign_in()
        await someone.shorten_answers(6)
        versions = someone.turns.last.get_by_role("group", name="Versions of the answer")
        before = await someone.page.evaluate(count)
        for question, request in (("Count.", making), ("Count to ten.", asking), ("Count to a hundred.", asking)):
            network.fates[request] = "cut"
            await someone.ask(question)
            await someone.expect_state("finished")
        await someone.reload()
        await expect(someone.turns.locator(".bubble")).to_have_text(["Count.", "Count to ten.", "Count to a hundred."])
        await expect(someone.page.get_by_role("button", name="Previous version")).to_have_count(0)
        assert await someone.page.evaluate(count) == before + 1

        for number, name in ((2, "Answer again"), (3, "Continue")):
            network.fates[asking] = "cut"
            await someone.turns.last.get_by_role("button", name=name).click()
            await expect(versions).to_contain_text(f"{number}/{number}")
            await someone.expect_state("finished")
        await someone.reload()
        await expect(versions).to_contain_text("3/3")
        assert network.lost == [making, *[asking] * 4]
