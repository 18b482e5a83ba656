"""Explore: the tokenizer playground, looking inside, comparing and the tour, each on the real model."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, StorageState, expect
from tests.support.browser import Visitor, visitor
from tests.support.server import RunningServer

SECONDS = 60_000
SENTENCES = {
    "en": "The north wind and the sun were arguing about which of them was the stronger.",
    "fr": "La bise et le soleil se disputaient, chacun assurant qu’il était le plus fort.",
    "de": "Der Nordwind und die Sonne stritten sich, wer von ihnen der Stärkere wäre.",
    "es": "El viento norte y el sol discutían por saber cuál de los dos era el más fuerte.",
    "it": "Il vento del nord e il sole discutevano su chi dei due fosse il più forte.",
}
PAGES = ("", "/tokens", "/inside", "/compare", "/tour")


@pytest_asyncio.fixture(loop_scope="session")
async def explorer(browser: Browser, server: RunningServer, owners_cookies: StorageState) -> AsyncIterator[Visitor]:
    viewport = {"width": 1440, "height": 900}
    async with visitor(browser, server, storage_state=owners_cookies, viewport=viewport) as someone:
        yield someone


async def open_page(person: Visitor, path: str) -> None:
    await person.page.goto(f"{person.server.url}/explore{path}")
    await expect(person.page.locator("h1")).to_be_visible()


async def expect_no_issues(person: Visitor) -> None:
    for theme in ("light", "dark"):
        await person.page.emulate_media(color_scheme=theme)
        assert await person.issues() == [], theme


async def test_a_page_whose_module_does_not_run_is_not_told_as_a_server_that_is_away(explorer: Visitor) -> None:
    page = explorer.page
    await open_page(explorer, "")
    await page.route("**/assets/*.js", lambda route: route.fulfill(content_type="text/javascript", body="throw 1"))
    await page.get_by_role("main").get_by_role("link", name="Tokens").click()
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("This part of the page can’t be loaded. Reload the page.")

    await page.route("**/*", lambda route: route.abort("connectionrefused"))
    await page.get_by_role("navigation").get_by_role("link", name="Compare").first.click()
    await expect(alert).to_contain_text("The server doesn’t answer.")


async def test_a_text_is_shown_as_the_tokens_that_it_costs_in_five_languages(explorer: Visitor) -> None:
    page = explorer.page
    await open_page(explorer, "")
    await page.get_by_role("main").get_by_role("link", name="Tokens").click()
    await expect(page.locator("h1")).to_be_focused()
    text = page.get_by_label("Your text")
    await expect(page.locator("[data-count='18']")).to_be_visible()  # the sample's
    await text.fill("a 🌬\n<|im_end|>")
    tokens = page.get_by_role("listbox", name="Tokens").get_by_role("option")
    count = page.locator("[data-count]")
    await expect(count).not_to_have_attribute("data-count", "18")
    await expect(tokens).to_have_count(int(await count.get_attribute("data-count") or 0))
    await expect(tokens.filter(has_text="↵")).not_to_have_count(0)
    partial = tokens.filter(has_text="⟨").first
    await partial.hover()
    await expect(page.get_by_text("Part of")).to_be_visible()
    await partial.focus()
    await page.keyboard.press("Home")
    await expect(tokens.first).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(tokens.nth(1)).to_have_attribute("aria-selected", "true")
    await expect(page.get_by_text("no price is set")).to_be_visible()

    await text.fill("word " * 20_000)
    await expect(page.get_by_text("At most 10,000 characters fit here")).to_be_visible()

    row = page.get_by_role("listitem").filter(has=page.get_by_label("Deutsch"))
    await expect(row).to_contain_text("+")
    await page.get_by_role("textbox", name="Deutsch").fill("Ja")
    await expect(row).to_contain_text("-")
    await expect(page.get_by_label("Sentence")).to_have_value("-1")
    await expect_no_issues(explorer)


@pytest.mark.slow
async def test_an_answer_goes_on_from_another_token_and_back(explorer: Visitor) -> None:
    page = explorer.page
    await open_page(explorer, "/inside")
    await page.get_by_label("Question").fill("What is the capital of France?")
    await page.get_by_label("Temperature").fill("0")
    await page.get_by_label("Tokens at most").fill("24")
    await page.get_by_label("Question").press("Enter")
    state = page.locator("[data-state]")
    await expect(state).to_have_attribute("data-state", "finished", timeout=SECONDS)
    tokens = page.get_by_role("option")
    first = await tokens.all_inner_texts()
    await tokens.nth(2).click()
    drawn = page.get_by_role("button", name="Drawn here")
    await expect(drawn).to_contain_text("100")  # at temperature 0 the likeliest token has every chance
    await page.get_by_label("Temperature").fill("2")
    await expect(drawn).not_to_contain_text("100")
    await page.get_by_label("Temperature").fill("0")
    other = page.get_by_role("button", name="Go on from").first
    await other.click()
    await expect(page.get_by_role("button", name="instead of")).to_have_attribute("aria-current", "true")
    await expect(state).to_have_attribute("data-state", "finished", timeout=SECONDS)
    branch = await tokens.all_inner_texts()
    assert branch[:2] == first[:2]
    assert branch[2] != first[2]
    await expect_no_issues(explorer)
    await page.get_by_role("button", name="First answer").click()
    assert await tokens.all_inner_texts() == first


async def test_two_settings_are_judged_blind_by_keyboard_and_ranked(explorer: Visitor) -> None:
    page = explorer.page
    await open_page(explorer, "/compare")
    await expect(page.get_by_text("There is one model here")).to_be_visible()
    await page.get_by_label("Question", exact=True).fill("Say hello.")
    await page.get_by_label("Instructions").first.fill("Answer with one word.")
    await page.get_by_role("button", name="Ask both").click()
    round_ = page.locator("[data-round]")
    await expect(round_).to_have_attribute("data-round", "answered", timeout=SECONDS)
    await expect(page.get_by_text("hidden until you vote")).to_have_count(2)
    await page.locator("h1").click()
    await page.keyboard.press("1")
    left = page.get_by_role("region", name="Left")
    await expect(left.get_by_text("smollm2-135m")).to_be_visible()
    await expect(page.get_by_role("button", name="Left", exact=True)).to_have_attribute("aria-pressed", "true")
    board = page.get_by_role("region", name="Leaderboard")
    await expect(board.get_by_role("row")).not_to_have_count(0)
    await expect(board.get_by_text("too few").first).to_be_visible()
    await page.get_by_role("button", name="Equally good").click()
    await expect(page.get_by_text("no longer counts as blind")).to_be_visible()
    await expect_no_issues(explorer)

    await left.get_by_role("button", name="Look inside").click()
    dialog = page.get_by_role("dialog", name="Look inside")
    await expect(dialog.get_by_text("The answer from the conversation")).to_be_visible(timeout=SECONDS)
    said = (await left.locator(".said").inner_text()).split()
    await expect(dialog.get_by_role("option").first).to_contain_text(said[0][:1])
    await expect_no_issues(explorer)
    await page.keyboard.press("Escape")
    await expect(left.get_by_role("button", name="Look inside")).to_be_focused()


@pytest.mark.slow
async def test_the_tours_present_step_keeps_its_ground_under_the_pointer(explorer: Visitor) -> None:
    await open_page(explorer, "/tour")
    step = explorer.page.get_by_role("button", name="2: Temperature")
    await step.click()  # where a finger touched, it stays
    ground, number = await step.evaluate(
        "step => [getComputedStyle(step).backgroundColor, getComputedStyle(step).color]"
    )
    assert (ground, number) == ("rgb(23, 103, 168)", "rgb(255, 255, 255)")


async def test_the_tour_runs_an_experiment_at_each_step_and_keeps_the_score(explorer: Visitor) -> None:
    page = explorer.page
    await open_page(explorer, "/tour")
    result = page.locator("[data-result]")

    async def answer(option: str, says: str) -> None:
        await page.get_by_role("radio", name=option).click()
        await expect(page.get_by_role("status").last).to_contain_text(says)

    async def go_on() -> None:
        await page.get_by_role("button", name="Next").click()
        await expect(page.locator("#step-title")).to_be_focused()

    await page.get_by_label("Your name").fill("Ada Lovelace")
    await expect(result).to_contain_text("Characters: 12.")
    await answer("They see tokens, not letters.", "Right.")
    await expect_no_issues(explorer)
    await go_on()
    await page.get_by_role("button", name="Ask it five times").click()
    await expect(result.first).to_contain_text("Different answers: 1 of 5", timeout=SECONDS)
    await expect(result.nth(1)).to_be_visible(timeout=SECONDS)
    await answer("2: all tokens nearly alike", "Not quite.")
    await page.get_by_role("radio", name="0: always").click(force=True)
    await expect(page.get_by_role("radio", name="2: all")).to_be_checked()  # an answer stands
    await go_on()
    await page.get_by_role("button", name="Ask with this room").click()
    await expect(result).to_have_attribute("data-result", "false", timeout=SECONDS)
    await page.get_by_label("Room in tokens").fill("1000")
    await page.get_by_role("button", name="Ask with this room").click()
    await expect(result).to_have_attribute("data-result", "true", timeout=SECONDS)
    await expect_no_issues(explorer)
    await go_on()
    await page.get_by_role("button", name="Ask", exact=True).click()
    await expect(result).to_have_attribute("data-result", "true", timeout=SECONDS)
    await go_on()
    await page.get_by_role("button", name="Ask and count").click()
    await expect(result).to_contain_text("none is set here", timeout=SECONDS)
    await page.reload()
    await expect(page.get_by_text("Step 5 of 6")).to_be_visible()
    await go_on()
    await page.get_by_role("button", name="Time an answer").click()
    await page.get_by_label("Watts").fill("30")
    await expect(page.locator("[data-estimate]")).to_contain_text("An estimate from your watts", timeout=SECONDS)
    await expect_no_issues(explorer)
    await page.get_by_role("button", name="To the end").click()
    await expect(page.locator("[data-score]")).to_have_attribute("data-score", "1")


@pytest.mark.slow
async def test_every_page_fits_a_phone_and_speaks_five_languages(
    browser: Browser, server: RunningServer, owners_cookies: StorageState
) -> None:
    options = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "reduced_motion": "reduce"}
    async with visitor(browser, server, storage_state=owners_cookies, **options) as person:
        for path in PAGES:
            await open_page(person, path)
            await expect_no_issues(person)
        titles = set()
        languages = {"fr": "Français", "de": "Deutsch", "es": "Español", "it": "Italiano", "en": "English"}
        for code, language in languages.items():
            await person.choose_language(language)
            await expect(person.page.locator("html")).to_have_attribute("lang", code)
            titles.add(await person.page.locator("h1").inner_text())
            for path in PAGES[1:]:
                await person.page.locator(f"nav a[href='/explore{path}']").click()
                await expect(person.page.locator("h1")).to_be_focused()
                spare = await person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert spare <= 0, (language, path)
                if path == "/tokens":
                    await expect(person.page.locator("#sentence option").first).to_have_text(SENTENCES[code])
        assert len(titles) == 5
