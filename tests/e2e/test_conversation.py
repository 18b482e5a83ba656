from __future__ import annotations

import re

import pytest
from playwright.async_api import expect
from tests.support.browser import Visitor

LONG = "Write a long story about the north wind, the sea and the mountains, with many chapters."
LONG_TOKENS = 1000
"""The answer that is always the same has more; another may end before it is interrupted."""


async def test_an_answer_streams_in_and_tells_its_speed(person: Visitor) -> None:
    await person.shorten_answers(64)
    await person.ask("Write a short poem about the wind.")
    await expect(person.field).to_have_value("")
    await person.expect_state("streaming")
    early = len(await person.answer.inner_text())
    await person.expect_state("finished")
    assert len(await person.answer.inner_text()) > early
    figures = await person.turns.last.get_by_role("group", name="Speed of this answer").inner_text()
    assert re.search(r"[\d.]+ tokens/s", figures)
    assert re.search(r"[\d.]+ words/s", figures)
    assert re.search(r"first after \d+\.\d\d s", figures)
    assert re.search(r"\d+ tokens$", figures)


async def test_a_stopped_answer_keeps_what_had_arrived_and_frees_the_field(person: Visitor) -> None:
    await person.shorten_answers(LONG_TOKENS)
    await person.ask(LONG)
    await person.expect_state("streaming")
    await person.page.get_by_role("button", name="Stop the answer").click()
    await person.expect_state("stopped")
    await expect(person.field).to_be_focused()
    kept = await person.answer.inner_text()
    assert kept
    await expect(person.turns.last.get_by_text("Stopped by you.")).to_be_visible()
    await person.shorten_answers()
    await person.ask("Say hello.")
    await person.expect_state("finished")
    assert await person.turns.first.locator(".markdown").inner_text() == kept


@pytest.mark.slow
async def test_a_question_is_answered_again_beside_its_first_answer(brief_person: Visitor) -> None:
    await brief_person.ask("Name a colour.")
    await brief_person.expect_state("finished")
    await brief_person.page.get_by_role("button", name="Answer again").click()
    versions = brief_person.turns.last.get_by_role("group", name="Versions of the answer")
    await expect(versions).to_contain_text("2/2")
    await expect(brief_person.turns.locator(".bubble")).to_have_text("Name a colour.")


async def test_the_field_to_change_a_question_shows_all_its_lines_each_time_it_opens(brief_person: Visitor) -> None:
    await brief_person.ask("Name a colour.\nThen a tree.\nThen an animal.")
    await brief_person.expect_state("finished")
    field = brief_person.page.get_by_role("textbox", name="The changed question")
    for _ in range(2):
        await brief_person.page.get_by_role("button", name="Change the question").click()
        await expect(field).to_be_focused()
        await expect(field).not_to_have_css("height", "24px")
        assert await field.evaluate("field => field.clientHeight >= field.scrollHeight")
        await field.press("Escape")
        await expect(field).to_have_count(0)


async def test_a_changed_question_stands_beside_the_former_one_and_one_walks_between_them(
    brief_person: Visitor,
) -> None:
    page, turns = brief_person.page, brief_person.turns
    for question in ("Name a colour.", "Name a tree."):
        await brief_person.ask(question)
        await brief_person.expect_state("finished")
    await turns.first.get_by_role("button", name="Change the question").click()
    field = page.get_by_role("textbox", name="The changed question")
    await expect(field).to_be_focused()
    await expect(field).to_have_value("Name a colour.")
    await field.fill("Name an animal.")
    await field.press("Enter")
    await brief_person.expect_state("finished")
    await expect(turns.locator(".bubble")).to_have_text(["Name an animal."])

    versions = turns.first.get_by_role("group", name="Versions of the question")
    await expect(versions).to_contain_text("2/2")
    await versions.get_by_role("button", name="Previous version").focus()
    await page.keyboard.press("ArrowLeft")
    await expect(turns.locator(".bubble")).to_have_text(["Name a colour.", "Name a tree."])
    await expect(versions).to_contain_text("1/2")
    await expect(versions.get_by_role("button", name="Previous version")).to_be_focused()
    await expect(page.locator('[aria-live="polite"]')).to_have_text("Version 1 of 2")
    await brief_person.reload()
    await expect(turns.locator(".bubble")).to_have_text(["Name a colour.", "Name a tree."])


async def test_a_later_question_is_sent_without_what_was_said_before(brief_person: Visitor) -> None:
    """The server has it: the model answers from it."""
    await brief_person.ask("My name is Aurora. Repeat my name.")
    await brief_person.expect_state("finished")
    async with brief_person.page.expect_request("**/v1/responses") as sent:
        await brief_person.ask("What is my name?")
    body = (await sent.value).post_data_json
    assert [message["content"] for message in body["input"]] == ["What is my name?"]
    assert body["conversation"]["parent_id"].startswith("msg_")
    await brief_person.expect_state("finished")
    await expect(brief_person.turns).to_have_count(2)


async def test_an_answer_is_copied_as_the_model_wrote_it(person: Visitor) -> None:
    text = "**Bold** and `code`.\n\n- one\n- two"
    await person.script_answer(text)
    await person.reload()
    await person.ask("?")
    await person.expect_state("finished")
    await person.page.get_by_role("button", name="Copy the answer").click()
    await expect(person.page.get_by_role("button", name="Copied")).to_be_visible()
    assert await person.page.evaluate("navigator.clipboard.readText()") == text


async def test_an_example_begins_a_conversation_and_a_new_one_clears_the_page(brief_person: Visitor) -> None:
    examples = brief_person.page.get_by_role("list", name="Questions to begin with")
    await examples.get_by_role("button", name=re.compile("north wind")).click()
    await brief_person.expect_state("finished")
    await brief_person.page.get_by_role("banner").get_by_role("button", name="New conversation").click()
    await expect(brief_person.turns).to_have_count(0)
    await expect(brief_person.page.get_by_role("heading", name="Where shall we begin?")).to_be_visible()
    await expect(brief_person.field).to_be_focused()


async def test_the_page_says_what_its_model_is_good_for(person: Visitor) -> None:
    await expect(person.page.get_by_text("It understands English.")).to_be_visible()
    await expect(person.page.get_by_text(re.compile(r"It is small \(135 million parameters\)"))).to_be_visible()
    await person.page.get_by_role("button", name=re.compile("Model: ")).click()
    card = person.page.get_by_role("dialog", name="The model that answers")
    for fact in ("135 million parameters", "English", "Apache-2.0", "8,192 tokens", "aquilon models suggest"):
        await expect(card.get_by_text(fact).first).to_be_visible()
    await card.get_by_role("link", name="Get more models").click()
    await expect(person.page.get_by_role("heading", name="Models", level=1)).to_be_visible()


@pytest.mark.slow
async def test_everything_is_done_with_the_keyboard_alone(person: Visitor) -> None:
    page, keyboard = person.page, person.page.keyboard
    await person.shorten_answers()
    await keyboard.type("First line")
    await keyboard.press("Shift+Enter")
    await keyboard.type("second line")
    await expect(person.field).to_have_value("First line\nsecond line")
    await keyboard.press("Enter")
    await person.expect_state("streaming|finished")
    await person.expect_state("finished")

    await keyboard.press("ArrowUp")
    await expect(page.get_by_role("textbox", name="The changed question")).to_have_value("First line\nsecond line")
    await keyboard.press("Escape")
    await expect(person.field).to_be_focused()
    await keyboard.press("Enter")
    await expect(page.get_by_text("Write something first.")).to_be_visible()

    await page.unroute_all()
    await person.shorten_answers(LONG_TOKENS)
    await keyboard.type(LONG)
    await keyboard.press("Enter")
    await person.expect_state("streaming")
    await keyboard.press("Escape")
    await person.expect_state("stopped")
    await expect(person.field).to_be_focused()

    await keyboard.press("Control+/")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await keyboard.press("Escape")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    await expect(person.field).to_be_focused()

    await keyboard.press("Shift+Tab")
    await keyboard.press("/")
    await expect(person.field).to_be_focused()
    await keyboard.press("Alt+n")
    await expect(person.turns).to_have_count(0)


async def test_a_link_before_everything_else_skips_to_the_question(person: Visitor) -> None:
    await person.page.get_by_role("button", name="Hide conversations").focus()
    await person.page.keyboard.press("Shift+Tab")
    await expect(person.page.get_by_role("link", name="Skip to the question field")).to_be_focused()
    await person.page.keyboard.press("Enter")
    await expect(person.field).to_be_focused()


@pytest.mark.slow
async def test_a_screen_reader_hears_an_answer_once_when_it_is_finished(person: Visitor) -> None:
    await person.script_answer("The wind blows. " * 40, pieces_per_frame=4)
    await person.reload()
    await person.page.evaluate(
        """() => {
          window.heard = [];
          const region = document.querySelector('[aria-live="polite"]');
          new MutationObserver(() => region.textContent && window.heard.push(region.textContent))
            .observe(region, { childList: true, characterData: true, subtree: true });
        }"""
    )
    await person.ask("?")
    await person.expect_state("finished")
    await expect(person.page.locator('[aria-live="polite"]')).to_contain_text("Answer finished")
    heard = await person.page.evaluate("window.heard")
    assert len(heard) == 1
    assert heard[0].startswith("Answer finished: The wind blows.")
