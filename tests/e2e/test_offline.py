"""The page as an installed application: opened without a connection, and changed to a new version."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from playwright.async_api import Browser, Route, expect
from tests.support.browser import Visitor, visitor
from tests.support.server import RunningServer

KEPT = "caches.keys().then(async (names) => (await Promise.all(names.map(async (name) => (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname)))).flat())"


@pytest_asyncio.fixture(loop_scope="session")
async def installed(browser: Browser, server: RunningServer) -> AsyncIterator[Visitor]:
    """Somebody who is signed in, whose page has its service worker."""
    async with visitor(browser, server, service_workers="allow") as someone:
        await someone.sign_in()
        await someone.page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")
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
    await expect(installed.turns.locator(".bubble")).to_have_text(["Say one word."])
    await page.keyboard.press("Escape")


async def test_only_the_page_and_its_files_are_kept(installed: Visitor) -> None:
    await installed.ask("Say one word.")
    await installed.expect_state("streaming|finished")
    await installed.page.keyboard.press("Escape")
    kept = set(await installed.page.evaluate(KEPT))
    assert "/" in kept
    assert {path.split("/")[1] for path in kept - {"/"}} == {"assets"}


async def test_a_new_version_waits_for_a_reload(installed: Visitor) -> None:
    page, context = installed.page, installed.page.context
    await page.evaluate(
        "navigator.serviceWorker.controller ?? new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', () => done(), { once: true }))"
    )
    script = (await (await page.request.get(f"{installed.server.url}/worker.js")).text()).replace(
        "const SHELL = [", 'const SHELL = ["/icons/rose-192.png",'
    )
    script = script.replace(
        await page.evaluate("new URL(document.querySelector('script[type=module]').src).pathname"), "/"
    )

    async def newer(route: Route) -> None:
        await route.fulfill(body=script, content_type="text/javascript")

    await context.route("**/worker.js", newer)
    await page.evaluate("navigator.serviceWorker.getRegistration().then((one) => one.update()).then(() => undefined)")
    notice = page.get_by_role("status").filter(has_text="A new version of this page is here.")
    await expect(notice).to_be_visible()
    await notice.get_by_role("button", name="Reload").click()
    await expect(notice).to_have_count(0)
    await expect(installed.field).to_be_focused()


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
