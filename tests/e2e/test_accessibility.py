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


async def expect_no_issues(person: Visitor) -> None:
    assert await person.serious_issues() == []
