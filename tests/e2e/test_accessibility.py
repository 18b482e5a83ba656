"""axe, in each state of the page and in both themes."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Browser, StorageState, expect
from tests.support.answers import RICH
from tests.support.browser import Visitor, visitor
from tests.support.server import RunningServer

Theme = Literal["light", "dark"]


@pytest.mark.parametrize(
    ("width", "theme"),
    [
        (1280, "light"),
        (360, "dark"),
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


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_serious_in_the_api_reference(
    browser: Browser, server: RunningServer, theme: Theme
) -> None:
    async with visitor(browser, server, color_scheme=theme) as person:
        await person.page.goto(f"{server.url}/docs")
        await expect(person.page.get_by_role("heading", name="API reference")).to_be_visible()
        await expect(person.page.locator("article").first).to_be_visible()
        await expect_no_issues(person)


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


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "fr", "de", "es", "it"])
async def test_axe_finds_nothing_on_any_part_in_any_language(
    browser: Browser, server: RunningServer, owners_cookies: StorageState, language: str, theme: Theme
) -> None:
    options = {"locale": language, "color_scheme": theme, "viewport": {"width": 1280, "height": 800}}
    async with visitor(browser, server, storage_state=owners_cookies, **options) as person:
        found = {}
        for path, there in EVERYWHERE.items():
            await person.page.goto(f"{server.url}{path}")
            await expect(person.page.locator(there).first).to_be_visible()
            await person.page.wait_for_load_state("networkidle")
            if issues := await person.issues():
                found[path] = issues
        assert found == {}


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
        found: dict[str, list[str] | int] = {}

        async def look(name: str) -> None:
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            if issues := await person.issues():
                found[name] = issues
            if (pixels := await page.evaluate(wide)) > 0:
                found[f"{name} is wider than the window"] = pixels

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
        assert found == {}


MENU = {"Keyboard shortcuts": "Keyboard shortcuts", "Memory": "Memory", "Import conversations": "Import conversations"}
"""What the menu opens: the button, and the dialog's title."""


async def expect_no_issues(person: Visitor) -> None:
    assert await person.serious_issues() == []
