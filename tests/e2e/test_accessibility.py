"""axe, in each state of the page and in both themes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, StorageState, expect
from tests.support.answers import RICH
from tests.support.browser import Visitor, visitor
from tests.support.server import RunningServer

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
CONSOLE = Path(__file__).parents[2] / "frontend" / "src" / "console"


@pytest.mark.parametrize(
    ("width", "theme"),
    [
        (1280, "light"),
        pytest.param(360, "dark", marks=pytest.mark.slow),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
        pytest.param(360, "light", marks=pytest.mark.slow),
    ],
)
async def test_axe_finds_nothing_serious(browser: Browser, server: RunningServer, width: int, theme: Theme) -> None:
    viewport = {"width": width, "height": 800}
    async with visitor(browser, server, color_scheme=theme, viewport=viewport) as person:
        await person.page.goto(f"{server.url}/#login=spent")
        await expect(person.page.get_by_role("heading", name="This link no longer works")).to_be_visible()
        await expect_no_issues(person)

        await person.sign_in()
        await expect_no_issues(person)
        for opener in ("model-card", "menu"):
            await person.page.locator(f"button[popovertarget={opener}]").click()
            await expect_no_issues(person)
            await person.page.keyboard.press("Escape")
        await person.page.keyboard.press("Control+/")
        await expect_no_issues(person)

        await person.script_answer("wind " * 4000, pieces_per_frame=1)
        await person.reload()
        await person.ask("?")
        await person.expect_state("streaming")
        await expect_no_issues(person)
        await person.page.keyboard.press("Escape")
        await person.expect_state("stopped")
        await expect_no_issues(person)


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
async def test_axe_finds_nothing_serious_in_a_finished_answer_and_in_a_refusal(
    browser: Browser, server: RunningServer, theme: Theme
) -> None:
    async with visitor(browser, server, color_scheme=theme) as person:
        await person.sign_in()
        await person.script_answer(RICH)
        await person.reload()
        await person.ask("?")
        await person.expect_state("finished")
        await expect(person.answer.locator(".coloured")).to_have_count(1)
        await person.page.get_by_role("button", name="Change the question").click()
        await expect_no_issues(person)

        await person.page.evaluate("void (window.fetch = () => Promise.reject(new TypeError('offline')))")
        await person.ask("?")
        await person.expect_state("failed")
        await expect_no_issues(person)


COVERED = """
(() => {
  const focused = document.activeElement;
  const { left, top, bottom, width } = focused.getBoundingClientRect();
  const seen = [top + 2, bottom - 2].map((height) => document.elementFromPoint(left + Math.min(width / 2, 8), height));
  return seen.every((part) => focused.contains(part)) ? null : focused.outerHTML.slice(0, 120);
})()
"""


async def test_the_focus_is_never_under_the_bar_or_the_question_field(person: Visitor) -> None:
    page = person.page
    await person.script_answer((RICH + "\n[a link](https://example.org)\n\n" + "wind " * 30 + "\n\n") * 6)
    await person.reload()
    await person.ask("?")
    await person.expect_state("finished")
    await expect(person.answer.locator(".coloured")).to_have_count(6)
    await page.get_by_role("button", name="Change the question").focus()
    for key in ("Tab", "Shift+Tab"):
        for _ in range(24):
            await page.keyboard.press(key)
            assert await page.evaluate(COVERED) is None


EVERYWHERE = {
    "/": "#question",
    "/explore": "h1",
    "/explore/tokens": "h1",
    "/explore/inside": "h1",
    "/explore/compare": "h1",
    "/explore/tour": "h1",
    "/console": "h1",
    "/console/keys": "h1",
    "/console/usage": "h1",
    "/docs": "h1",
}
"""Pages of each part, and what is there when they are."""
OF_THE_CONSOLE = (
    *("playground", "requests", "batches", "fine-tuning", "files", "account"),
    *("members", "invitations", "waiting-list", "workspaces", "chat", "audit", "settings"),
    *("budgets", "limits", "quotas", "statements", "models", "upstreams", "organizations", "sign-on"),
)
"""Its other pages."""
SIGNED_OUT = {"/": "h1, h2", "/explore": "h1, h2", "/console": "h1, h2"}
LANGUAGES = ("fr", "de", "es", "it")
PARTS = {
    "chat, explore, docs": EVERYWHERE,
    "console": {f"/console/{name}": "h1" for name in OF_THE_CONSOLE},
    "signed out": SIGNED_OUT,
}


def test_no_page_of_the_console_is_left_out() -> None:
    listed = re.findall(r'path: "(/console[^"]*)"', (CONSOLE / "pages.ts").read_text())
    assert set(listed) == {path for path in (*EVERYWHERE, *PARTS["console"]) if path.startswith("/console")}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
async def test_axe_finds_nothing_on_any_page_in_any_theme_and_language(
    browser: Browser, server: RunningServer, owners_cookies: StorageState, part: str
) -> None:
    """Each page is loaded once: all rules in English in the light and in each other language in the dark.

    Contrast is asked of both themes in every language: what a language makes longer may come to lie on another ground.
    """
    options = {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}}
    if part != "signed out":
        options["storage_state"] = owners_cookies
    async with visitor(browser, server, **options) as person:
        page, faults = person.page, {}
        for path, there in PARTS[part].items():
            await page.goto(f"{server.url}{path}")
            await expect(page.locator(there).first).to_be_visible()
            await page.wait_for_load_state("networkidle")
            if issues := await person.issues():
                faults[path] = issues
            await leave_some_articles(page)
            await page.emulate_media(color_scheme="dark")
            if issues := await person.issues(colours=True):
                faults[f"{path} in the dark"] = issues
            for language in LANGUAGES:
                await page.locator(f"#menu input[name=language][value={language}]").dispatch_event("click")
                await expect(page.locator(f"html[lang={language}]")).to_be_attached()
                if issues := await person.issues():
                    faults[f"{path} in {language} in the dark"] = issues
                await page.emulate_media(color_scheme="light")
                if issues := await person.issues(colours=True):
                    faults[f"{path} in {language}"] = issues
                await page.emulate_media(color_scheme="dark")
            await page.emulate_media(color_scheme="light")
            await page.evaluate("localStorage.clear()")
        assert faults == {}


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", *LANGUAGES])
async def test_axe_finds_nothing_on_a_page_that_takes_the_browsers_language(
    browser: Browser, server: RunningServer, language: str
) -> None:
    async with visitor(browser, server, locale=language, viewport={"width": 1280, "height": 800}) as person:
        faults: dict[str, list[str]] = {}
        for path in ("/share", "/nowhere"):
            await person.page.goto(f"{server.url}{path}")
            await expect(person.page.locator(f"html[lang={language}] h1")).to_be_visible()
            for theme in THEMES:
                await person.page.emulate_media(color_scheme=theme)
                if issues := await person.issues():
                    faults[f"{path} in the {theme}"] = issues
        assert faults == {}


@pytest.mark.slow
@pytest.mark.parametrize("wishes", [{"contrast": "more"}, {"forced_colors": "active"}])
async def test_more_contrast_and_colours_of_the_system_keep_every_part_readable_at_320_pixels(
    browser: Browser, server: RunningServer, owners_cookies: StorageState, wishes: dict[str, str]
) -> None:
    options = {"viewport": {"width": 320, "height": 640}, **wishes}
    async with visitor(browser, server, storage_state=owners_cookies, **options) as person:
        for path, there in EVERYWHERE.items():
            await person.page.goto(f"{server.url}{path}")
            await expect(person.page.locator(there).first).to_be_visible()
            await leave_some_articles(person.page)
            assert await person.serious_issues() == [], path
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await person.page.evaluate(wide) <= 0, path


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_in_the_chat_s_dialogs_at_200_percent(
    browser: Browser, server: RunningServer, owners_cookies: StorageState, theme: Theme
) -> None:
    """A window of 1280 × 800 pixels, whose zoom leaves it half of each."""
    zoomed = {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2, "color_scheme": theme}
    async with visitor(browser, server, storage_state=owners_cookies, **zoomed) as person:
        page = person.page
        await page.goto(server.url)
        await expect(person.field).to_be_focused()
        faults: dict[str, list[str] | int] = {}

        async def look(name: str) -> None:
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            if issues := await person.issues():
                faults[name] = issues
            if (pixels := await page.evaluate(wide)) > 0:
                faults[f"{name} is wider than the window"] = pixels

        await page.get_by_role("button", name="Settings").click()
        await look("Settings")
        for entry, title in MENU.items():
            if not await page.locator("#menu").is_visible():
                await page.get_by_role("button", name="Settings").click()
            await page.locator("#menu").get_by_role("button", name=entry).click()
            await expect(page.get_by_role("dialog", name=title)).to_be_visible()
            await look(title)
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("dialog", name=title)).to_be_hidden()
        await page.keyboard.press("Control+k")
        await expect(page.get_by_role("combobox")).to_be_focused()
        await look("the commands")
        await page.keyboard.press("Escape")
        await page.keyboard.press("Alt+b")
        await expect(page.get_by_role("searchbox", name="Search conversations")).to_be_visible()
        await look("the conversations")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Model: ").click()
        await look("the model's card")
        assert faults == {}


MENU = {"Keyboard shortcuts": "Keyboard shortcuts", "Memory": "Memory", "Import conversations": "Import conversations"}
"""What the menu opens: the button, and the dialog's title."""


async def leave_some_articles(page: Page) -> None:
    """The API reference has hundreds, all of the same parts: axe needs a minute for them, and a second for some."""
    await page.evaluate("[...document.querySelectorAll('article')].slice(12).forEach((article) => article.remove())")


async def expect_no_issues(person: Visitor) -> None:
    assert await person.serious_issues() == []
