"""A person's browser: Debian's Chromium, driven by Playwright, with an eye on what a person does not see."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from playwright._impl._api_structures import SetCookieParam
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Route,
    StorageState,
    async_playwright,
    expect,
)
from tests.support.frontend import frontend
from tests.support.server import RunningServer

from aquilon.people.first_run import create_login_link
from aquilon.settings import Settings
from aquilon.storage import Database

DISABLED = (
    # What the address bar would show: two pages that each new context loads, 0.6 s of processor time.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    # Playwright's own list, of 1.65, which Chromium would forget over this one.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
)
ARGUMENTS = [
    f"--disable-features={','.join(DISABLED)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--process-per-site",  # a new page of a context that has one open starts no process, nor compiles scripts again
]
ANSWER_SECONDS = 60
V = TypeVar("V", bound="Visitor")

_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violation: ${event.violatedDirective} by ${event.blockedURI} in ${event.sourceFile}`));
"""

_SCRIPTED_ANSWER = """
(({ text, size, piecesPerFrame }) => {
  const real = window.fetch;
  const json = (body) => new Response(JSON.stringify(body), { headers: { "content-type": "application/json" } });
  const characters = [...text];
  let asked = "", at = 0, cancelled = false;
  const message = (id, role, type, text) =>
    ({ type: "message", id, role, status: "completed", content: [{ type, text }] });
  const answer = () => message("msg_answer", "assistant", "output_text", characters.slice(0, at).join(""));
  const response = (status) => ({
    id: "resp_scripted", model: "smollm2-135m", status, error: null, incomplete_details: null,
    output: at > 0 ? [answer()] : [],
    usage: {
      input_tokens: 1, input_tokens_details: { cached_tokens: 0 }, total_tokens: 2,
      output_tokens: Math.ceil(at / size), output_tokens_details: { reasoning_tokens: 0 },
    },
  });
  const page = () => {
    const data = [answer(), message("msg_question", "user", "input_text", asked)];
    const siblings = { number: 1, count: 1, previous_id: null, next_id: null };
    const places = data.map(({ id }, number) => ({
      item_id: id, parent_id: data[number + 1]?.id ?? null, response_id: null, created_at: 0, siblings, asked_by: null,
    }));
    return { object: "list", data, places, responses: [], has_more: false };
  };
  // The server knows nothing of the answer: what it says of the conversation must not take its place.
  window.EventSource = class extends EventTarget { close() {} };
  window.fetch = async (address, init) => {
    const { pathname } = new URL(address, location.href);
    if (pathname.endsWith("/items")) return json(page());
    if (pathname.endsWith("/title")) return json({ title: "Scripted" });
    if (pathname === "/v1/responses/resp_scripted/cancel") {
      cancelled = true;
      return json(response("cancelled"));
    }
    if (pathname !== "/v1/responses") return real(address, init);
    const body = JSON.parse(init.body);
    if (!body.stream) return json({ ...response("completed"), output: [] });
    [asked, at, cancelled] = [body.input.at(-1).content, 0, false];
    const encoder = new TextEncoder();
    let number = 0;
    const event = (type, fields) =>
      encoder.encode(`data: ${JSON.stringify({ type, sequence_number: number++, ...fields })}\\n\\n`);
    const stream = new ReadableStream({
      start(controller) {
        init.signal.addEventListener("abort", () => controller.error(init.signal.reason));
        controller.enqueue(event("response.created", { response: response("queued") }));
      },
      async pull(controller) {
        await new Promise(requestAnimationFrame);
        if (init.signal.aborted) return;
        for (let piece = 0; piece < piecesPerFrame && at < characters.length && !cancelled; piece++) {
          const delta = characters.slice(at, at + size).join("");
          at = Math.min(characters.length, at + size);
          controller.enqueue(event("response.output_text.delta", { delta }));
        }
        if (at < characters.length && !cancelled) return;
        const status = cancelled ? "cancelled" : "completed";
        controller.enqueue(event(`response.${status}`, { response: response(status) }));
        controller.close();
      },
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  };
})(%s);
"""


def chromium_path() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.fail("The browser tests need chromium: `make browser` installs it")


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
        yield browser
        await browser.close()


class Visitor:
    """One person with one tab. Whatever the browser complains about is kept in ``complaints``."""

    def __init__(self, page: Page, server: RunningServer) -> None:
        self.page = page
        self.server = server
        self.complaints: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))

    def _listen(self, message: ConsoleMessage) -> None:
        # The browser itself notes each answer with a failing status; the page tells of those in words.
        ignored = ("Failed to load resource", "Service Worker registration blocked by Playwright")
        if message.type in ("error", "warning") and not message.text.startswith(ignored):
            self.complaints.append(f"{message.type}: {message.text}")

    async def sign_in(self) -> None:
        await self.page.goto(await fresh_link(self.server))
        await expect(self.field).to_be_focused()

    @property
    def field(self) -> Locator:
        return self.page.locator("#question")

    @property
    def turns(self) -> Locator:
        return self.page.locator(".turn")

    @property
    def answer(self) -> Locator:
        """The text of the last answer."""
        return self.turns.last.locator(".markdown")

    async def reload(self) -> None:
        await self.page.reload()
        await expect(self.field).to_be_focused()

    async def ask(self, question: str) -> None:
        await self.field.fill(question)
        await self.field.press("Enter")

    async def expect_state(self, state: str) -> None:
        """waiting, streaming, finished, stopped or failed: of the last turn."""
        await expect(self.turns.last).to_have_attribute("data-state", re.compile(state), timeout=ANSWER_SECONDS * 1000)

    async def shorten_answers(self, tokens: int = 24) -> None:
        """Ask the real model for little, and always for the same: the page itself sets no limit."""

        async def limit(route: Route) -> None:
            body = route.request.post_data_json | {"max_output_tokens": tokens, "temperature": 0}
            await route.continue_(post_data=json.dumps(body))

        await self.page.route("**/v1/responses", limit)

    async def script_answer(self, text: str, *, size: int = 4, pieces_per_frame: int = 40) -> None:
        """Let every answer be this text, ``size`` characters a token: the real model can't be told what to say."""
        options = json.dumps({"text": text, "size": size, "piecesPerFrame": pieces_per_frame})
        await self.page.add_init_script(_SCRIPTED_ANSWER % options)

    async def choose(self, legend: str, option: str) -> None:
        """One of the settings in the menu."""
        await self.page.locator("button[popovertarget=menu]").click()
        await self.page.get_by_role("group", name=legend).get_by_role("radio", name=option).check(force=True)
        await self.page.keyboard.press("Escape")

    async def choose_language(self, name: str) -> None:
        """In the menu, by the language's own name."""
        await self.page.locator("button[popovertarget=menu]").click()
        language = self.page.locator("#menu").get_by_role("radio", name=name)
        await language.check(force=True)
        await expect(self.page.locator("html")).to_have_attribute("lang", await language.input_value())
        await self.page.keyboard.press("Escape")

    async def serious_issues(self) -> list[str]:
        """What axe finds on the page as it is that would keep somebody out."""
        return await self.issues("serious", "critical")

    async def issues(self, *impacts: str, colours: bool | None = None) -> list[str]:
        """What axe finds on the page as it is: all of it, or what has one of these impacts.

        ``colours``: True for the contrast of colours alone, which a theme can break, False for all else, which a
        language can.
        """
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if colours is not None:
            options |= {"runOnly": ["color-contrast"]} if colours else {"rules": {"color-contrast": {"enabled": False}}}
        if await self.page.evaluate("window.axe === undefined"):
            await self.page.evaluate((frontend().NODE_MODULES / "axe-core" / "axe.min.js").read_text())
        report: dict[str, Any] = await self.page.evaluate("(options) => axe.run(document, options)", options)
        return [
            f"{issue['id']} ({issue['impact']}): {node['html'][:200]} {node['failureSummary']}"
            for issue in report["violations"]
            if not impacts or issue["impact"] in impacts
            for node in issue["nodes"]
        ]


@asynccontextmanager
async def visitor(
    browser: Browser,
    server: RunningServer,
    kind: type[V] = Visitor,
    *,
    anew: bool = False,
    storage_state: StorageState | None = None,
    **options: Any,
) -> AsyncIterator[V]:
    """A person whose browser must have nothing to complain about; options are those of a Playwright context.

    The context has been that of an earlier person with the same options, whose cookies and storage were deleted, but
    not the browser's cache: ``anew`` is for tests of what it loads, and those that change the context itself.
    """
    # a service worker would answer before the routes that tests set
    options = {
        "locale": "en-GB",
        "service_workers": "block",
        "permissions": ["clipboard-read", "clipboard-write"],
        **options,
    }
    anew = anew or options["service_workers"] == "allow"
    unused = _unused_contexts(browser, json.dumps(options, sort_keys=True))
    context = await _new_context(browser, server, options) if anew or not unused else unused.pop()
    try:
        await context.add_cookies([cast(SetCookieParam, each) for each in (storage_state or {}).get("cookies", [])])
        someone = kind(await context.new_page(), server)
        yield someone
        await someone.page.unroute_all(behavior="wait")
        assert someone.complaints == [], someone.complaints
        if not anew:
            await _forget(context, server)
            unused.append(context)
    finally:
        if context not in unused:
            await context.close()


@cache
def _unused_contexts(browser: Browser, options: str) -> list[BrowserContext]:
    """Those with these options in which nobody is."""
    return []


async def _new_context(browser: Browser, server: RunningServer, options: dict[str, Any]) -> BrowserContext:
    """A context whose first page keeps the process alive that the site's pages share."""
    context = await browser.new_context(**options)
    await context.add_init_script(_VIOLATIONS)
    await (await context.new_page()).goto(f"{server.url}/health")
    return context


async def _forget(context: BrowserContext, server: RunningServer) -> None:
    """Close all pages but the first; delete what the server's pages have stored."""
    first, *others = context.pages
    for page in others:
        await page.close()
    await context.unroute_all()
    await context.clear_cookies()
    devtools = await context.new_cdp_session(first)
    await devtools.send("Storage.clearDataForOrigin", {"origin": server.url, "storageTypes": "all"})
    await devtools.detach()


async def fresh_link(server: RunningServer) -> str:
    """What ``aquilon users link`` prints."""
    database = await Database.open(Settings(home=Path(server.home)))
    try:
        return f"{server.url}/#login={await create_login_link(database)}"
    finally:
        await database.close()
