from __future__ import annotations

from typing import Any

from playwright.async_api import Browser, expect
from tests.support.browser import Visitor, fresh_link, visitor
from tests.support.server import RunningServer

BUDGET = 90 * 1024
MOST_FILES = 5
"""One of code, one of texts, and what the build itself needs: each file more is a question to the server more."""


async def test_the_page_can_be_typed_into_within_its_javascript_budget(browser: Browser, server: RunningServer) -> None:
    async with visitor(browser, server, anew=True) as guest:
        await check_weight(guest)


async def check_weight(guest: Visitor) -> None:
    devtools = await guest.page.context.new_cdp_session(guest.page)
    scripts: dict[str, str] = {}
    encodings: set[str] = set()
    weights: dict[str, int] = {}

    def on_response(event: dict[str, Any]) -> None:
        response = event["response"]
        if "javascript" in response["mimeType"]:
            scripts[event["requestId"]] = response["url"]
            encodings.add(response["headers"].get("content-encoding", "none"))

    def on_finished(event: dict[str, Any]) -> None:
        if event["requestId"] in scripts:
            weights[scripts[event["requestId"]]] = int(event["encodedDataLength"])

    devtools.on("Network.responseReceived", on_response)
    devtools.on("Network.loadingFinished", on_finished)
    await devtools.send("Network.enable")
    await guest.page.add_init_script("addEventListener('focusin', () => { window.typable ??= performance.now() })")
    await guest.page.goto(await fresh_link(guest.server))
    await expect(guest.field).to_be_focused()
    await guest.page.keyboard.type("a")
    before: list[str] = await guest.page.evaluate(
        "performance.getEntriesByType('resource').flatMap((one) => (one.startTime < window.typable ? [one.name] : []))"
    )
    needed = {url: weight for url, weight in weights.items() if url in before}
    total = sum(needed.values())
    print(f"JavaScript until the input can be typed into: {total} bytes in {len(needed)} files")
    print("\n".join(f"{weight:7} {url.rpartition('/')[2]}" for url, weight in needed.items()))
    assert encodings == {"gzip"}
    assert 10_000 < total <= BUDGET
    assert len(needed) <= MOST_FILES
