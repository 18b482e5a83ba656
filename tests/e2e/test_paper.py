"""A conversation on paper."""

from __future__ import annotations

from contextlib import closing

import pypdfium2
from playwright.async_api import expect
from tests.support.answers import RICH
from tests.support.browser import Visitor

CUT_OFF = """
[...document.querySelectorAll(".markdown *")]
  .filter((part) => getComputedStyle(part).overflowX !== "visible" && part.scrollWidth > part.clientWidth + 1)
  .map((part) => part.outerHTML.slice(0, 80))
"""
LONG_LINE = f"\n```python\n{'a = 1; ' * 60}\n```\n"


async def test_a_printed_conversation_is_what_was_said_on_white_paper_with_nothing_to_press(person: Visitor) -> None:
    page = person.page
    await person.script_answer(RICH + LONG_LINE)
    await person.reload()
    await person.choose("Theme", "Dark")
    await person.ask("Which way does the wind blow? " + "It blows. " * 300 + "That is all.")
    await person.expect_state("finished")
    await expect(person.answer.locator(".coloured")).to_have_count(2)

    await page.emulate_media(media="print")
    await page.set_viewport_size({"width": 680, "height": 960})
    await expect(page.get_by_role("heading", level=1)).to_have_css("position", "static")
    await expect(page.get_by_text("A machine writes the answers.").first).to_be_visible()
    await expect(person.answer.get_by_text("Words with")).to_be_visible()
    assert await page.evaluate(CUT_OFF) == []
    assert await page.evaluate("getComputedStyle(document.documentElement).color") == "rgb(29, 39, 64)"
    for hidden in ("button", "nav", "header", "form"):
        assert await page.locator(f"{hidden}:visible").count() == 0, hidden

    with closing(pypdfium2.PdfDocument(await page.pdf(format="A4"))) as document:
        words = [word for sheet in document for word in sheet.get_textpage().get_text_range().split()]
    assert words.count("blows.") == 300, "a long question is folded on the page alone"
    assert "all." in words
