"""Conversations that the server keeps, in several tabs, over reloads and lost connections; a paced upstream answers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, StorageState, expect
from tests.support.browser import Visitor, visitor
from tests.support.console import ConsoleVisitor
from tests.support.server import RunningServer
from tests.support.stored_runs import Speaker
from tests.support.upstream_server import upstream_server

MODEL = "paced"
CHOSEN = f"localStorage.setItem('aquilon.preferences', {json.dumps(json.dumps({'model': MODEL}))})"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def speaker(browser: Browser, server: RunningServer, owners_cookies: StorageState) -> AsyncIterator[Speaker]:
    """An upstream whose model says as many words as it is asked for, and waits in the middle."""
    paced = Speaker()
    async with upstream_server(paced.answer) as upstream:
        context = await browser.new_context(storage_state=owners_cookies)
        owner = ConsoleVisitor(await context.new_page(), server)
        await owner.open("/")
        card = {"name": MODEL, "remote": MODEL, "max_context": 200_000, "capabilities": ["chat"]}
        registered = await owner.make(
            "/v1/server/upstreams",
            {"name": "paced", "kind": "openai", "base_url": f"{upstream.url}/v1", "models": [card]},
        )
        yield paced
        paced.go_on.set()
        await owner.fetch("DELETE", f"/v1/server/upstreams/{registered['id']}")
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def asker(speaker: Speaker, browser: Browser, server: RunningServer) -> AsyncIterator[Visitor]:
    """Somebody who asks the paced model."""
    speaker.go_on.clear()
    async with at_the_page(browser, server) as someone:
        await someone.sign_in()
        yield someone
        speaker.go_on.set()


@asynccontextmanager
async def at_the_page(browser: Browser, server: RunningServer, **options: Any) -> AsyncIterator[Visitor]:
    async with visitor(browser, server, **options) as someone:
        await someone.page.add_init_script(CHOSEN)  # what it stores is there in other tabs
        yield someone


async def another_tab(person: Visitor) -> Visitor:
    """At the same conversation."""
    tab = Visitor(await person.page.context.new_page(), person.server)
    await tab.page.goto(person.page.url)
    return tab


def words(number: int) -> str:
    return " ".join(f"w{word}" for word in range(number))


async def test_an_answer_goes_on_streaming_after_a_reload_and_in_a_second_tab(asker: Visitor, speaker: Speaker) -> None:
    await asker.ask("15 words, wait after 5")
    await expect(asker.answer).to_have_text(words(5))
    await expect(asker.page).to_have_url(re.compile(r"/c/conv_\w+$"))
    tab = await another_tab(asker)
    await asker.reload()
    for page in (asker, tab):
        await page.expect_state("streaming")
        await expect(page.answer).to_have_text(words(5))
        await expect(page.page).to_have_title("15 words, wait after 5 · Aquilon")
        await expect(page.page.locator(".rows [aria-current=page]")).to_have_text("15 words, wait after 5")
    speaker.go_on.set()
    for page in (asker, tab):
        await page.expect_state("finished")
        await expect(page.answer).to_have_text(words(15))
        await expect(page.turns).to_have_count(1)
    assert tab.complaints == []

    await asker.reload()
    await expect(asker.answer).to_have_text(words(15))
    await expect(asker.page).to_have_title(re.compile("w0.* · Aquilon"))
    await asker.page.get_by_role("banner").get_by_role("button", name="New conversation").click()
    await expect(asker.page).to_have_url(f"{asker.server.url}/")
    await asker.page.go_back()
    await expect(asker.answer).to_have_text(words(15))


@pytest.mark.usefixtures("speaker")
async def test_why_an_answer_failed_is_said_in_the_readers_language_at_once_and_after_a_reload(
    browser: Browser, server: RunningServer
) -> None:
    async with at_the_page(browser, server, locale="fr") as reader:
        await reader.sign_in()
        await reader.ask("3 words, then break off")
        await reader.expect_state("failed")
        notice = reader.turns.last.get_by_role("alert")
        for _ in ("at once", "after a reload"):
            await expect(notice).to_contain_text(
                "Le serveur du modèle n’a pas pu mener cette réponse à son terme. Ce qui était arrivé est conservé"
            )
            await expect(notice.get_by_role("button")).to_have_text(["Reposer la question", "Choisir un modèle"])
            await reader.reload()


@pytest.mark.slow
async def test_a_lost_connection_is_told_calmly_and_taken_up_again(asker: Visitor, speaker: Speaker) -> None:
    await asker.page.add_init_script(
        """(() => {
          const real = window.fetch;
          window.cut = new AbortController();
          window.offline = false;
          window.fetch = async (address, init = {}) => {
            if (window.offline) throw new TypeError("offline");
            const response = await real(address, init);
            if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
            const reader = response.body.getReader();
            const cut = window.cut.signal;
            const body = new ReadableStream({
              start: (to) => cut.addEventListener("abort", () => (to.error(new TypeError("cut")), reader.cancel())),
              async pull(to) {
                const { done, value } = await reader.read();
                if (cut.aborted) return;
                if (done) to.close();
                else to.enqueue(value);
              },
            });
            return new Response(body, { status: response.status, headers: response.headers });
          };
        })()"""
    )
    await asker.reload()
    await asker.ask("30 words, wait after 5")
    await expect(asker.answer).to_have_text(words(5))
    await asker.page.evaluate("window.offline = true; window.cut.abort()")
    await expect(asker.turns.last.get_by_text("The connection is lost.")).to_be_visible()
    await expect(asker.answer).to_have_text(words(5))
    speaker.go_on.set()
    await asker.page.evaluate(
        "window.offline = false; window.cut = new AbortController(); dispatchEvent(new Event('online'))"
    )
    await asker.expect_state("finished")
    await expect(asker.answer).to_have_text(words(30))
    await expect(asker.turns.last.get_by_text("The connection is lost.")).to_be_hidden()


async def test_messages_wait_for_the_answer_or_take_its_place(asker: Visitor, speaker: Speaker) -> None:
    queue = asker.page.get_by_role("list", name="Messages that wait for the end of the answer")
    await asker.ask("6 words, wait after 2")
    await expect(asker.answer).to_have_text(words(2))
    for waiting in ("3 words", "never asked", "9 words, wait after 4"):
        await asker.ask(waiting)
    await expect(asker.page.locator('[aria-live="polite"]')).to_have_text("Your message waits until the answer ends.")
    await queue.get_by_role("listitem").nth(1).get_by_role("button", name="Remove").click()
    await expect(queue.get_by_role("listitem")).to_have_count(2)
    await asker.reload()
    await expect(queue.get_by_role("listitem")).to_have_count(2)

    await queue.get_by_role("listitem").last.get_by_role("button", name="Send now").click()
    await expect(asker.turns.first.get_by_text("Stopped by you.")).to_be_visible()
    await expect(asker.turns.first.locator(".markdown")).to_have_text(words(2))
    await expect(asker.answer).to_have_text(words(4))
    speaker.go_on.set()
    await expect(asker.turns).to_have_count(3)
    await expect(queue).to_be_hidden()
    await expect(asker.turns.locator(".bubble")).to_have_text(
        ["6 words, wait after 2", "9 words, wait after 4", "3 words"]
    )
    await expect(asker.turns.locator(".markdown")).to_have_text([words(2), words(9), words(3)])


async def test_an_answer_that_a_program_begins_in_mistral_s_contract_is_followed_and_stopped(
    asker: Visitor, speaker: Speaker
) -> None:
    key = {"authorization": f"Bearer {asker.server.api_key}"}
    async with httpx.AsyncClient(base_url=asker.server.url, headers=key, timeout=60) as program:
        first = {"model": MODEL, "inputs": "2 words", "name": "Words"}
        begun = (await program.post("/v1/conversations", json=first)).json()
        path = f"/v1/conversations/{begun['conversation_id']}"
        await asker.page.goto(f"{asker.server.url}/c/{begun['conversation_id']}")
        await expect(asker.answer).to_have_text(words(2))

        async with program.stream("POST", path, json={"inputs": "9 words, wait after 4", "stream": True}) as stream:
            await expect(asker.turns).to_have_count(2)
            await expect(asker.answer).to_have_text(words(4))
            await asker.expect_state("streaming")
            speaker.go_on.set()
            assert "conversation.response.done" in (await stream.aread()).decode()
        await asker.expect_state("finished")
        await expect(asker.answer).to_have_text(words(9))

        speaker.go_on.clear()
        async with program.stream("POST", path, json={"inputs": "8 words, wait after 3", "stream": True}) as stream:
            await expect(asker.turns).to_have_count(3)
            await expect(asker.answer).to_have_text(words(3))
            await asker.page.get_by_role("button", name="Stop the answer").click()
            assert "conversation.response.error" in (await stream.aread()).decode()
        await asker.expect_state("stopped")
        history = (await program.get(f"{path}/history")).json()["entries"]
        assert [entry["content"].strip() for entry in history[1::2]] == [words(2), words(9), words(3)]
    assert asker.complaints == []


async def test_what_is_said_before_a_call_stays_while_its_result_is_answered(asker: Visitor, speaker: Speaker) -> None:
    inputs = [
        {"type": "message.input", "role": "user", "content": "What time is it?"},
        {"type": "message.output", "role": "assistant", "content": "Let me look."},
        {"type": "function.call", "tool_call_id": "c1", "name": "time", "arguments": "{}"},
        {"type": "function.result", "tool_call_id": "c1", "result": "7 words, wait after 3"},
    ]
    asked = {"model": MODEL, "inputs": inputs, "stream": True, "name": "Time"}
    key = {"authorization": f"Bearer {asker.server.api_key}"}
    async with (
        httpx.AsyncClient(base_url=asker.server.url, headers=key, timeout=60) as program,
        program.stream("POST", "/v1/conversations", json=asked) as stream,
    ):
        lines = stream.aiter_lines()
        started = await anext(line async for line in lines if line.startswith("data: "))
        conversation_id = json.loads(started.removeprefix("data: "))["conversation_id"]
        await asker.page.goto(f"{asker.server.url}/c/{conversation_id}")
        await expect(asker.answer.locator("p")).to_have_text(["Let me look.", words(3)])
        speaker.go_on.set()
    await asker.expect_state("finished")
    await expect(asker.answer.locator("p")).to_have_text(["Let me look.", words(7)])


async def test_two_windows_of_one_person_show_the_same_talk_as_it_goes_on(
    asker: Visitor, speaker: Speaker, browser: Browser
) -> None:
    await asker.ask("1 words")
    await asker.expect_state("finished")
    await expect(asker.page).to_have_title(re.compile("w0.* · Aquilon"))
    signed_in = await asker.page.context.storage_state()
    at_home = {"storage_state": signed_in, "viewport": {"width": 390, "height": 800}}
    async with at_the_page(browser, asker.server, **at_home) as phone:
        titling: list[str] = []
        phone.page.on("request", lambda request: titling.append(request.url) if "/title" in request.url else None)
        await phone.page.goto(asker.page.url)
        await expect(phone.turns).to_have_count(1)
        await asker.ask("9 words, wait after 4")
        await expect(phone.turns.locator(".bubble")).to_have_text(["1 words", "9 words, wait after 4"])
        await expect(phone.answer).to_have_text(words(4))
        await phone.expect_state("streaming")
        speaker.go_on.set()
        for window in (asker, phone):
            await window.expect_state("finished")
            await expect(window.answer).to_have_text(words(9))

        await phone.ask("3 words")
        await expect(asker.turns).to_have_count(3)
        await expect(asker.answer).to_have_text(words(3))
        address = f"{asker.server.url}/v1/conversations/{asker.page.url.rpartition('/')[2]}"
        server, origin = asker.page.context.request, {"origin": asker.server.url}
        await server.post(address, headers=origin, data={"title": "Numbers"})
        await expect(phone.page).to_have_title("Numbers · Aquilon")
        await server.delete(address, headers=origin)
        for window in (asker, phone):
            await expect(window.page.get_by_role("button", name="Begin a new conversation")).to_be_visible()
        assert titling == []
        assert phone.complaints == []


@pytest.mark.slow
async def test_two_tabs_that_change_one_question_make_two_branches(asker: Visitor, speaker: Speaker) -> None:
    speaker.go_on.set()
    await asker.ask("1 words")
    await asker.expect_state("finished")
    tab = await another_tab(asker)
    fields = []
    for page, question in ((asker, "2 words"), (tab, "3 words")):
        await page.turns.first.get_by_role("button", name="Change the question").click()
        fields.append(page.page.get_by_role("textbox", name="The changed question"))
        await fields[-1].fill(question)
    async with tab.page.expect_response(lambda response: "/items?" in response.url):
        await fields[0].press("Enter")
    await expect(asker.turns.locator(".bubble")).to_have_text(["2 words"])
    await asker.expect_state("finished")
    await expect(fields[1]).to_have_value("3 words")
    await fields[1].press("Enter")
    await expect(tab.turns.locator(".bubble")).to_have_text(["3 words"])
    await tab.expect_state("finished")
    await expect(tab.turns.get_by_role("group", name="Versions of the question")).to_contain_text("3/3")
    versions = asker.turns.get_by_role("group", name="Versions of the question")
    await expect(versions).to_contain_text("2/3")
    here = re.compile(r"/v1/conversations/conv_\w+$")
    async with asker.page.expect_response(lambda response: bool(here.search(response.url))):  # where one goes on
        await versions.get_by_role("button", name="Next version").click()
    await expect(asker.answer).to_have_text(words(3))

    await tab.ask("4 words")
    await tab.expect_state("finished")
    await expect(asker.turns.locator(".bubble")).to_have_text(["3 words", "4 words"])


@pytest.mark.slow
async def test_a_deep_conversation_opens_at_its_end_and_costs_no_more_than_a_short_one(
    asker: Visitor, speaker: Speaker
) -> None:
    speaker.go_on.set()
    items = [
        {"type": "message", "role": role, "content": f"{'Question' if role == 'user' else 'Answer'} {turn}"}
        for turn in range(500)
        for role in ("user", "assistant")
    ]
    conversation = await asker.page.evaluate(
        """async (items) => {
          const headers = { "content-type": "application/json" };
          const body = JSON.stringify({ items, title: "Deep" });
          return (await (await fetch("/v1/conversations", { method: "POST", headers, body })).json()).id;
        }""",
        items,
    )
    sizes: list[int] = []
    asker.page.on(
        "requestfinished",
        lambda request: sizes.append(len(request.post_data or "")) if "/v1/" in request.url else None,
    )
    await asker.page.goto(f"{asker.server.url}/c/{conversation}")
    await expect(asker.turns).to_have_count(20)
    await expect(asker.answer).to_have_text("Answer 499")
    await asker.page.evaluate("window.scrollTo(0, 0)")
    await expect(asker.turns).to_have_count(40)
    await expect(asker.turns.first.locator(".bubble")).to_have_text("Question 460")
    held = asker.turns.filter(has_text="Question 480")
    await expect(held).to_be_in_viewport()
    await asker.ask("2 words")
    await asker.expect_state("finished")
    await expect(asker.answer).to_have_text(words(2))
    assert sizes
    assert max(sizes) < 1000


@pytest.mark.slow
async def test_what_is_typed_is_kept_until_it_is_sent_or_the_person_signs_out(asker: Visitor, speaker: Speaker) -> None:
    speaker.go_on.set()
    page = asker.page
    await asker.field.fill("Half a thought")
    await asker.reload()
    await expect(asker.field).to_have_value("Half a thought")
    await asker.ask("1 words")
    await asker.expect_state("finished")
    await asker.field.fill("For this conversation")
    await page.keyboard.press("Alt+n")
    await expect(asker.field).to_have_value("")
    await expect(asker.field).to_be_focused()
    await page.get_by_role("button", name="Back to the one before").click()
    await expect(asker.answer).to_have_text(words(1))
    await expect(asker.field).to_have_value("For this conversation")

    await page.goto(f"{asker.server.url}/c/conv_missing")
    await expect(page.get_by_role("heading", name="This conversation is not here")).to_be_visible()
    await page.get_by_role("button", name="Begin a new conversation").click()
    await expect(page.get_by_role("heading", name="Where shall we begin?")).to_be_visible()
    await page.locator("button[popovertarget=menu]").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("You have signed out.")).to_be_visible()
    assert "thought" not in await page.evaluate("JSON.stringify(localStorage)")
    assert "conversation" not in await page.evaluate("JSON.stringify(localStorage)")


async def test_a_temporary_conversation_is_kept_nowhere(asker: Visitor, speaker: Speaker) -> None:
    speaker.go_on.set()
    page, stored = asker.page, "fetch('/v1/conversations?limit=100').then((answer) => answer.text())"
    before = await page.evaluate(stored)
    await page.get_by_role("button", name="Temporary conversation").click()
    await expect(page.get_by_text("Nothing of this conversation is kept.")).to_be_visible()
    for question in ("2 words", "3 words"):
        await asker.ask(question)
        await asker.expect_state("finished")
    await asker.page.get_by_role("button", name="Answer again").last.click()
    await expect(asker.turns.last.get_by_role("group", name="Versions of the answer")).to_contain_text("2/2")
    await expect(asker.turns.locator(".markdown")).to_have_text([words(2), words(3)])
    assert page.url == f"{asker.server.url}/"
    assert await page.evaluate(stored) == before
    await asker.field.fill("A secret draft")
    assert "secret" not in await page.evaluate("JSON.stringify(localStorage)")

    refused = await page.evaluate(
        """() => ["dragover", "drop"].map((type) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File(["text"], "note.txt"));
          return !document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
        })"""
    )
    assert refused == [True, True]  # else the browser would show the file in place of the page

    asked: list[str] = []

    async def leave(dialog: Any) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", leave)
    await page.reload()
    await expect(asker.turns).to_have_count(0)
    assert asked == ["beforeunload"]
