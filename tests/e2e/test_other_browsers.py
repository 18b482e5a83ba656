"""Other browsers than Chromium: Safari's ways in Chromium, and the main flow in Firefox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, expect
from tests.support.browser import fresh_link
from tests.support.firefox import ENTER, ESCAPE, FIREFOX, UP, running_firefox
from tests.support.talker import Talker, at_the_page, talking_server

QUESTION, ANSWER = "Tell me of herons", "Herons stand still."
LONG_QUESTION = "Tell me of all the gulls"
TURN = "[...document.querySelectorAll('.turn')].at(-1)"


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talker]:
    with talking_server(tmp_path_factory.mktemp("talker")) as running:
        running.says({QUESTION: ANSWER})
        running.says({LONG_QUESTION: "Gulls are never still. " * 40}, pause=0.1)
        yield running


async def test_a_conversation_is_opened_by_its_address_where_there_are_no_idle_callbacks(
    browser: Browser, talker: Talker
) -> None:
    async with at_the_page(browser, talker) as someone:
        await someone.page.add_init_script("delete window.requestIdleCallback")
        await someone.ask(QUESTION)
        await someone.expect_state("finished")
        await someone.page.wait_for_url("**/c/*")
        await someone.reload()
        assert await someone.page.evaluate("typeof requestIdleCallback") == "undefined"
        await expect(someone.answer).to_have_text(ANSWER)


async def test_the_enter_that_picks_a_character_of_an_input_method_sends_nothing_where_the_composition_is_over_by_then(
    browser: Browser, talker: Talker
) -> None:
    async with at_the_page(browser, talker) as someone:
        await someone.field.fill(QUESTION)
        of_the_input_method = {"key": "Enter", "keyCode": 229, "bubbles": True, "cancelable": True}
        await someone.field.dispatch_event("keydown", of_the_input_method)
        await expect(someone.field).to_have_value(QUESTION)
        await someone.field.press("Enter")
        await someone.expect_state("finished")
        await expect(someone.turns).to_have_count(1)


@pytest.mark.slow
@pytest.mark.skipif(FIREFOX is None, reason="Firefox is not installed")
async def test_in_firefox_somebody_signs_in_asks_reloads_in_mid_stream_stops_and_changes_the_question(
    talker: Talker,
) -> None:
    async with running_firefox() as firefox:
        await firefox.open(await fresh_link(talker.server))
        await firefox.until("document.activeElement.id === 'question'")
        await firefox.type(QUESTION + ENTER)
        await firefox.until(f"{TURN}?.dataset.state === 'finished'")
        assert await firefox.evaluate(f"{TURN}.querySelector('.markdown').innerText") == ANSWER

        await firefox.type(LONG_QUESTION + ENTER)
        await firefox.until(f"{TURN}.innerText.includes('Gulls are')")
        await firefox.until("navigator.serviceWorker.controller !== null")  # by which the page comes from now on
        await firefox.open(await firefox.evaluate("location.href"))
        await firefox.until(f"{TURN}?.dataset.state === 'streaming' && document.activeElement.id === 'question'")
        await firefox.type(ESCAPE)
        await firefox.until(f"{TURN}.dataset.state === 'stopped'")

        await firefox.type(UP)
        await firefox.until(f"{TURN}.contains(document.activeElement)")
        await firefox.evaluate("document.activeElement.select()")
        await firefox.type(QUESTION + ENTER)
        await firefox.until(f"{TURN}.dataset.state === 'finished' && {TURN}.innerText.includes('2/2')")
        assert await firefox.evaluate(f"{TURN}.querySelector('.markdown').innerText") == ANSWER
        assert firefox.complaints == []
