from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect
from tests.support.answers import RICH
from tests.support.browser import Visitor, visitor
from tests.support.server import RunningServer


async def test_a_french_browser_is_spoken_to_in_french(browser: Browser, server: RunningServer) -> None:
    async with visitor(browser, server, locale="fr-FR") as person:
        await person.sign_in()
        await expect(person.page.get_by_role("heading", name="Par où commencer")).to_be_visible()
        await expect(person.page.locator("html")).to_have_attribute("lang", "fr")
        await expect(person.page.get_by_text("Il n’a pas été entraîné pour le français")).to_be_visible()


async def test_the_language_is_chosen_in_the_menu_and_remembered(person: Visitor) -> None:
    await person.choose_language("Français")
    await expect(person.page.get_by_role("heading", name="Par où commencer")).to_be_visible()
    await expect(person.field).to_have_attribute("placeholder", "Posez votre question…")
    await person.page.reload()
    await expect(person.page.get_by_role("heading", name="Par où commencer")).to_be_visible()
    await person.choose_language("English")
    await expect(person.page.get_by_role("heading", name="Where shall we begin?")).to_be_visible()


@pytest.mark.slow
async def test_a_finished_answer_follows_a_change_of_language(person: Visitor) -> None:
    await person.script_answer("```\nx\n```")
    await person.reload()
    await person.ask("?")
    await person.expect_state("finished")
    await person.choose_language("Français")
    await expect(person.answer.get_by_role("button", name="Copier le code")).to_be_visible()
    await expect(person.answer.locator("code")).to_have_text("x\n")


async def test_the_theme_follows_the_system_until_one_is_chosen(person: Visitor) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light, dark = "rgb(251, 248, 242)", "rgb(13, 21, 38)"
    assert await person.page.evaluate(ground) == light
    await person.page.emulate_media(color_scheme="dark")
    assert await person.page.evaluate(ground) == dark
    await person.choose("Theme", "Light")
    assert await person.page.evaluate(ground) == light
    await person.page.reload()
    await expect(person.field).to_be_focused()
    assert await person.page.evaluate(ground) == light
    await person.choose("Theme", "Dark")
    await person.page.emulate_media(color_scheme="light")
    assert await person.page.evaluate(ground) == dark


@pytest.mark.slow
async def test_nothing_moves_for_who_asked_for_stillness(browser: Browser, server: RunningServer) -> None:
    async with visitor(browser, server, reduced_motion="reduce") as person:
        await person.sign_in()
        await person.script_answer("wind " * 200, pieces_per_frame=1)
        await person.reload()
        await person.ask("?")
        await person.expect_state("streaming")
        assert await person.page.evaluate("document.getAnimations().length") == 0
        await person.expect_state("finished")


async def test_in_the_systems_colours_what_is_chosen_and_what_colours_tell_apart_is_still_seen(person: Visitor) -> None:
    page, ground = person.page, "part => getComputedStyle(part).backgroundColor"
    await page.emulate_media(forced_colors="active")
    assert await page.locator(".dock").evaluate(ground) == "rgb(255, 255, 255)", "answers show through"
    await page.locator("button[popovertarget=menu]").click()
    languages = page.get_by_role("group", name="Language").locator("label")
    chosen, *others = [await label.locator("span").evaluate(ground) for label in await languages.all()]
    assert chosen not in others
    await page.goto(f"{person.server.url}/explore/tokens")
    tokens = page.get_by_role("listbox", name="Tokens").get_by_role("option")
    await expect(tokens).to_have_count(18)
    assert len({await tokens.nth(place).evaluate(ground) for place in range(6)}) == 6


async def test_a_phone_shows_it_all_without_scrolling_sideways(browser: Browser, server: RunningServer) -> None:
    async with visitor(browser, server, viewport={"width": 360, "height": 740}, has_touch=True) as person:
        await person.sign_in()
        for opener in ("model-card", "menu"):
            await person.page.locator(f"button[popovertarget={opener}]").click()
            box = await person.page.locator(f"#{opener}").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 360
            await person.page.keyboard.press("Escape")
        assert await person.page.evaluate("document.documentElement.scrollWidth") <= 360


SMALL = """
[...document.querySelectorAll("button, a[href], select, textarea, summary")]
  .filter((part) => part.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
  .filter((part) => getComputedStyle(part).display !== "inline" && !part.matches(".skip, .note"))
  .map((part) => [part.getAttribute("aria-label") ?? part.textContent.trim(), part.getBoundingClientRect()])
  .filter(([, { width, height }]) => Math.min(width, height) < 44)
  .map(([name, { width, height }]) => `${name}: ${width} x ${height}`)
"""
"""What a finger presses on the page, smaller than 44 pixels; what stands in a line of text is found by its words."""


async def test_on_a_phone_what_is_pressed_is_large_enough_for_a_thumb(browser: Browser, server: RunningServer) -> None:
    async with visitor(browser, server, viewport={"width": 360, "height": 740}, has_touch=True) as person:
        page, small = person.page, {}
        await person.sign_in()
        await person.script_answer(RICH)
        await person.reload()
        small["a new conversation"] = await page.evaluate(SMALL)
        await person.ask("?")
        await person.expect_state("finished")
        small["an answer"] = await page.evaluate(SMALL)
        for opener in ("model-card", "menu"):
            await page.locator(f"button[popovertarget={opener}]").click()
            small[opener] = await page.evaluate(SMALL)
            await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Show conversations").click()
        await expect(page.get_by_role("searchbox", name="Search conversations")).to_be_visible()
        small["the conversations"] = await page.evaluate(SMALL)
        assert {place: parts for place, parts in small.items() if parts} == {}
