"""A person turns their memory on, fills it by hand and by a suggestion, sees what an answer used, empties it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect
from tests.support.browser import visitor
from tests.support.people import cookie_header, signed_in_owner
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import Connection
from tests.support.upstream_stand_ins import stand_in


@pytest.fixture(scope="module")
def prompts() -> list[Any]:
    """What the upstream was asked, request by request."""
    return []


@pytest.fixture(scope="module")
def upstream(prompts: list[Any]) -> Iterator[str]:
    """Suggests one fact where it is asked for facts, and answers with a word otherwise."""

    async def answer(connection: Connection) -> None:
        if connection.request.method != "POST":
            await connection.answer(404, {})
            return
        prompts.append(connection.request.json)
        await connection.begin()
        await connection.say(
            '{"facts": ["I keep bees."]}' if "response_format" in connection.request.json else "Gladly."
        )
        await connection.finish(usage={"prompt_tokens": 7, "completion_tokens": 3})
        await connection.end()

    with stand_in(answer) as url:
        yield url


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("memory"), environment={"AQUILON_MODELS": "none"})
    yield running
    running.stop()


@pytest.fixture(scope="module")
def owner(gateway: RunningServer, upstream: str) -> Iterator[httpx.Client]:
    with closing(signed_in_owner(gateway)) as person:
        body = {"name": "there", "base_url": upstream, "models": [{"name": "far"}]}
        person.post("/v1/server/upstreams", json=body).raise_for_status()
        yield person


async def open_memory(page: Page) -> None:
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_role("button", name="Memory", exact=True).click()


@pytest.mark.slow
async def test_what_is_remembered_is_used_shown_suggested_and_deleted(
    browser: Browser, gateway: RunningServer, owner: httpx.Client, prompts: list[Any]
) -> None:
    name, _, value = cookie_header(owner)["cookie"].partition("=")
    async with visitor(browser, gateway) as someone:
        page = someone.page
        await page.context.add_cookies([{"name": name, "value": value, "url": gateway.url}])
        await page.goto(gateway.url)
        await open_memory(page)
        dialog = page.get_by_role("dialog", name="Memory")
        await expect(dialog).to_contain_text("for you alone")
        await dialog.get_by_label("Use my memory in my conversations").check()
        await dialog.get_by_label("What should be remembered?").fill("I live in Ghent")
        await dialog.get_by_role("button", name="Remember it").click()
        await expect(dialog.get_by_role("listitem")).to_contain_text("never used")
        await dialog.get_by_label("Let the model suggest what to remember").check()
        assert await someone.serious_issues() == []
        close = await dialog.get_by_role("button", name="Close", exact=True).element_handle()
        await page.evaluate("close => { close.click(); document.querySelector('#question').focus(); }", close)
        await expect(dialog).to_have_count(0)
        await expect(someone.field).to_be_focused()  # somebody was quicker than the dialog's end

        await page.get_by_role("textbox").fill("What do bees need in winter?")
        await page.keyboard.press("Enter")
        await expect(page.locator(".answer")).to_contain_text("Gladly.")
        await expect(page.get_by_text("The model suggests something to remember.")).to_be_visible()
        asked = next(prompt for prompt in prompts if "bees need" in prompt["messages"][-1]["content"])
        assert "I live in Ghent" in asked["messages"][0]["content"]
        await page.get_by_role("button", name="Used 1 memory").click()
        await expect(dialog.get_by_role("listitem").filter(has_text="I live in Ghent")).to_contain_text("used once")
        await dialog.get_by_role("button", name="Remember: I keep bees.", exact=True).click()
        await dialog.get_by_role("button", name="Show all").click()
        bees = dialog.get_by_role("listitem").filter(has_text="I keep bees.")
        await expect(bees.get_by_role("link", name="From a message")).to_have_attribute(
            "href", page.url.removeprefix(gateway.url)
        )
        await bees.get_by_role("button", name="Change: I keep bees.").click()
        await dialog.get_by_label("Entry", exact=True).fill("I keep three hives")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog.get_by_role("listitem").filter(has_text="I keep three hives")).to_be_visible()
        await dialog.get_by_role("button", name="Delete: I live in Ghent").click()
        await expect(dialog.get_by_role("listitem")).to_have_count(1)
        await dialog.get_by_role("button", name="Close", exact=True).click()

        await page.get_by_role("button", name="Remember this").click()
        await expect(dialog.get_by_label("What should be remembered?")).to_have_value("What do bees need in winter?")
        await dialog.get_by_role("button", name="Delete everything").click()
        await dialog.get_by_role("button", name="Delete it all, for ever").click()
        await expect(dialog).to_contain_text("Nothing is remembered yet.")


@pytest.fixture
def brief(owner: httpx.Client) -> None:
    """Two entries, of which one expires soon."""
    owner.put("/v1/memories/settings", json={"enabled": True}).raise_for_status()
    for text, more in (("I live in Ghent for now.", {"expires_at": int(time.time()) + 6}), ("I play the oboe.", {})):
        owner.post("/v1/memories", json={"text": text, **more}).raise_for_status()


@pytest.mark.usefixtures("brief")
async def test_an_entry_that_expires_while_it_is_shown_goes(
    browser: Browser, gateway: RunningServer, owner: httpx.Client
) -> None:
    async with visitor(browser, gateway) as someone:
        name, _, value = cookie_header(owner)["cookie"].partition("=")
        await someone.page.context.add_cookies([{"name": name, "value": value, "url": gateway.url}])
        await someone.page.goto(gateway.url)
        await open_memory(someone.page)
        dialog = someone.page.get_by_role("dialog", name="Memory")
        await expect(dialog.get_by_text("I live in Ghent for now.")).to_be_visible()
        await expect(dialog.get_by_text("I live in Ghent for now.")).to_have_count(0)
        await expect(dialog.get_by_text("I play the oboe.")).to_be_visible()
        (await asyncio.to_thread(owner.delete, "/v1/memories")).raise_for_status()
        await dialog.get_by_role("button", name="Delete: I play the oboe").click()
        await expect(dialog.get_by_text("I play the oboe.")).to_have_count(0)
