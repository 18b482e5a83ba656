"""The page as an installed application: opened without a connection, and changed to a new version."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from tests.support.browser import Visitor, visitor
from tests.support.server import RunningServer

KEPT = """
caches.keys().then(async (names) => {
  const caches_ = await Promise.all(names.map((name) => caches.open(name)));
  const requests = (await Promise.all(caches_.map((cache) => cache.keys()))).flat();
  return requests.map(({ url }) => new URL(url).pathname);
})
"""
ACTIVE = "(script) => navigator.serviceWorker.controller?.scriptURL.endsWith(script)"
CONTROLLED = """
navigator.serviceWorker.controller !== null || new Promise((done) =>
  navigator.serviceWorker.addEventListener("controllerchange", () => done(true), { once: true }))
"""


@pytest_asyncio.fixture(loop_scope="session")
async def installed(browser: Browser, server: RunningServer) -> AsyncIterator[Visitor]:
    """Somebody who is signed in, whose page has its service worker."""
    async with visitor(browser, server, service_workers="allow") as someone:
        await someone.sign_in()
        async with asyncio.timeout(60):
            await someone.page.evaluate(CONTROLLED)
        yield someone


async def test_the_page_opens_offline_and_sends_one_message_when_it_is_back(installed: Visitor) -> None:
    page, context = installed.page, installed.page.context
    await installed.field.fill("Half a thought")
    await context.set_offline(True)
    await page.reload()
    await expect(page.get_by_role("heading", name="You are offline")).to_be_visible()
    draft = page.get_by_label("Your message")
    await expect(draft).to_have_value("Half a thought")
    await draft.fill("Say one word.")
    await page.get_by_role("button", name="Send when I am back").click()
    await expect(page.locator(".bubble")).to_have_text("Say one word.")
    await draft.fill("And another")
    await expect(page.get_by_role("button", name="Send when I am back")).to_have_count(0)
    await page.reload()  # it waits still
    await expect(page.locator(".bubble")).to_have_text("Say one word.")
    assert await installed.issues() == []

    await context.set_offline(False)
    await expect(page.get_by_role("list", name="Messages that wait")).to_have_count(0)
    await expect(installed.turns.locator(".bubble")).to_have_text(["Say one word."], timeout=60_000)
    await expect(installed.field).to_have_value("And another")
    await page.keyboard.press("Escape")


async def test_a_message_that_is_written_offline_waits_on_the_page(installed: Visitor) -> None:
    page = installed.page
    await page.context.set_offline(True)
    await installed.ask("Say one word.")
    await expect(page.get_by_role("status").filter(has_text="Your message waits")).to_be_visible()
    await expect(installed.turns).to_have_count(0)
    await installed.ask("A second one")
    await expect(installed.field).to_have_value("A second one")
    await expect(page.get_by_text("One message waits already.")).to_be_visible()
    await page.context.set_offline(False)
    await expect(installed.turns.locator(".bubble")).to_have_text(["Say one word."], timeout=60_000)
    await page.keyboard.press("Escape")


async def test_only_the_page_and_its_files_are_kept(installed: Visitor) -> None:
    await installed.ask("Say one word.")
    await installed.expect_state("streaming|finished")
    await installed.page.keyboard.press("Escape")
    kept = set(await installed.page.evaluate(KEPT))
    assert "/" in kept
    assert {path.split("/")[1] for path in kept - {"/"}} == {"assets"}


@pytest.mark.slow
async def test_a_new_version_waits_for_a_reload(browser: Browser, server: RunningServer) -> None:
    async with visitor(browser, server, service_workers="allow", bypass_csp=True) as someone:
        await someone.sign_in()
        page = someone.page
        async with asyncio.timeout(60):
            await page.evaluate(CONTROLLED)
        notice = page.get_by_role("status").filter(has_text="A new version of this page is here.")

        await page.evaluate("void navigator.serviceWorker.register('/worker.js?2')")
        await page.wait_for_function(ACTIVE, arg="/worker.js?2")  # at once: the page is of its version already
        await expect(notice).to_have_count(0)

        await page.evaluate("document.querySelector('script[type=module]').remove()")  # a page of an older version
        await page.evaluate("void navigator.serviceWorker.register('/worker.js?3')")
        await expect(notice).to_be_visible()
        assert await someone.issues() == []
        await page.evaluate("void (window.before = true)")
        await notice.get_by_role("button", name="Reload").click()
        await page.wait_for_function("window.before === undefined")
        await expect(someone.field).to_be_focused()


def test_the_manifest_says_what_is_installed_in_each_language(server: RunningServer) -> None:
    page = httpx.get(server.url, headers={"accept": "text/html"})
    assert 'rel="manifest"' in page.text
    assert page.headers["cache-control"] == httpx.get(f"{server.url}/worker.js").headers["cache-control"] == "no-cache"
    for language in ("en", "fr", "de", "es", "it"):
        answer = httpx.get(f"{server.url}/manifests/{language}.webmanifest")
        assert answer.headers["content-type"] == "application/manifest+json"
        manifest = json.loads(answer.text)
        assert (manifest["id"], manifest["start_url"], manifest["lang"]) == ("/", "/", language)
        assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
        for icon in manifest["icons"]:
            assert httpx.get(f"{server.url}{icon['src']}").headers["content-type"] == "image/png"
