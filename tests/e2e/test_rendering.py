"""What a model writes, as it appears: exact, bounded in cost, and harmless."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from tests.support.answers import HOSTILE, RICH
from tests.support.browser import Visitor


async def show(person: Visitor, text: str, **options: int) -> None:
    await person.script_answer(text, **options)
    await person.reload()
    await person.ask("?")
    await person.expect_state("finished")


@pytest.mark.parametrize("size", [1, 5, 100_000])
async def test_hostile_text_is_only_text(person: Visitor, size: int) -> None:
    requested: list[str] = []
    person.page.on("request", lambda request: requested.append(request.url))
    await show(person, HOSTILE, size=size)
    await expect(person.answer.locator(".code .coloured")).to_have_count(1)
    await expect(person.answer.locator("math").first).to_be_attached()
    assert await person.page.evaluate("window.owned") is None
    assert [url for url in requested if not url.startswith(person.server.url)] == []
    foreign = "script, img, iframe, style, form, svg, [style], [onerror], [onload], [srcdoc], [href^='j'], [href^='d']"
    await expect(person.answer.locator(foreign)).to_have_count(0)
    for link in await person.answer.locator("a").all():
        assert (await link.get_attribute("href") or "").startswith("https://")
        assert await link.get_attribute("rel") == "noopener noreferrer nofollow"


async def test_code_formulas_tables_and_lists_come_out_right(person: Visitor) -> None:
    await show(person, RICH)
    answer = person.answer
    await expect(answer.locator(".code .hljs-keyword").first).to_have_text("def")
    await expect(answer.locator("math")).to_have_count(2)
    await expect(answer.locator("math[display=block]")).to_have_count(1)
    await expect(answer.locator("td.align-right")).to_have_text("61 %")
    await expect(answer.locator("ol")).to_have_count(1)
    await answer.get_by_role("button", name="Copy the code").click()
    copied = await person.page.evaluate("navigator.clipboard.readText()")
    assert copied == "def north(wind: str) -> int:\n    return len(wind)  # how long\n"


@pytest.mark.slow
async def test_heaps_of_accents_stay_out_of_the_neighbours(person: Visitor) -> None:
    zalgo = "n" + "\u0300\u0316" * 200
    await person.script_answer(zalgo)
    await person.reload()
    await person.ask(zalgo)
    await person.expect_state("finished")
    for text in (person.answer, person.turns.last.locator(".bubble")):
        await expect(text).to_have_css("overflow-y", "clip")


@pytest.mark.slow
async def test_the_finished_page_is_the_same_however_the_text_arrived(person: Visitor) -> None:
    pages = []
    for size in (1, 7, 100_000):
        await show(person, RICH, size=size)
        await expect(person.answer.locator("math")).to_have_count(2)
        await expect(person.answer.locator(".coloured")).to_have_count(1)
        await expect(person.answer.locator(".table-tools")).to_have_count(1)
        pages.append(await person.answer.inner_html())
    assert pages[0] == pages[1] == pages[2]


@pytest.mark.slow
async def test_32_kilobytes_arrive_token_by_token_and_no_finished_block_is_rendered_again(person: Visitor) -> None:
    part = "A paragraph of some sixty characters, as models write them.\n\n- one\n- two\n\n```js\nlet a = 1;\n```\n\n"
    text = part * (32_768 // len(part) + 1)
    await person.script_answer(text)
    await person.reload()
    await person.page.evaluate(
        """() => {
          window.added = 0;
          new MutationObserver((records) => {
            for (const { target, addedNodes } of records) {
              if (target.classList?.contains("markdown")) window.added += addedNodes.length;
            }
          }).observe(document.body, { childList: true, subtree: true });
        }"""
    )
    await person.ask("?")
    await person.expect_state("finished")
    blocks = await person.answer.locator("> *").count()
    frames = len(text) // (4 * 40) + 2
    added = await person.page.evaluate("window.added")
    # Each block once, a code block once more when its fence ends, and the block being written once a frame.
    assert blocks > 900
    assert blocks <= added <= blocks + blocks // 3 + 2 * frames


@pytest.mark.slow
async def test_a_wide_answer_scrolls_inside_and_never_the_page(person: Visitor) -> None:
    wide = "x" * 400
    await person.page.set_viewport_size({"width": 360, "height": 740})
    await show(person, f"{wide}\n\n```\n{wide}\n```\n\n|{wide}|b|\n|-|-|\n|1|2|\n\n$$\n{'x+' * 200}x\n$$\n")
    assert await person.page.evaluate("document.documentElement.scrollWidth") <= 360
    await expect(person.answer.locator(".code pre")).to_have_attribute("tabindex", "0")


async def test_the_tab_key_stops_only_at_parts_of_an_answer_that_scroll(person: Visitor) -> None:
    words, cell = "word " * 10, "a" * 40
    await show(person, f"```\nx\n```\n\n|a|b|\n|-|-|\n|1|2|\n\n```\n{words}\n```\n\n|{cell}|b|\n|-|-|\n|1|2|\n")
    stops = person.answer.locator("[tabindex='0']")
    await expect(person.answer.locator("[tabindex='-1']")).to_have_count(4)
    await expect(stops).to_have_count(0)
    await person.page.set_viewport_size({"width": 320, "height": 740})
    await expect(stops).to_have_count(2)
    await expect(stops.first).to_contain_text(words.strip())
    await expect(stops.last).to_contain_text(cell)
    assert await person.serious_issues() == []


async def test_text_from_right_to_left_stands_right(person: Visitor) -> None:
    await show(person, "שלום עולם\n\nhello\n\n- אחת\n- שתיים")
    directions = await person.answer.evaluate("(node) => [...node.children].map((b) => getComputedStyle(b).direction)")
    assert directions == ["rtl", "ltr", "rtl"]


async def test_a_numbered_list_begins_with_its_own_number(person: Visitor) -> None:
    await show(person, "7. seven\n8. eight")
    await expect(person.answer.locator("ol")).to_have_attribute("start", "7")


@pytest.mark.slow
async def test_the_page_follows_an_answer_only_while_the_reader_is_at_its_end(person: Visitor) -> None:
    await person.page.set_viewport_size({"width": 800, "height": 500})
    await person.script_answer("A line of the story.\n\n" * 300, size=10, pieces_per_frame=2)
    await person.reload()
    await person.ask("?")
    await expect(person.answer.locator("p").nth(60)).to_be_visible()
    at_end = "innerHeight + scrollY >= document.documentElement.scrollHeight - 4"
    await person.page.wait_for_function(at_end)
    await person.page.mouse.move(400, 200)
    await person.page.mouse.wheel(0, -600)
    latest = person.page.get_by_role("button", name="Jump to the latest")
    await expect(latest).to_be_visible()
    before = await person.page.evaluate("scrollY")
    await person.expect_state("finished")
    assert await person.page.evaluate("scrollY") == before
    await latest.click()
    await person.page.wait_for_function(at_end)
    await expect(latest).to_be_hidden()


async def test_thoughts_are_folded_apart_from_the_answer(person: Visitor) -> None:
    await show(person, "<think>\nIs the sky red?\n</think>\n\nIt is **blue**.", size=3)
    await expect(person.answer).to_have_text("It is blue.")
    thoughts = person.turns.last.get_by_role("group").filter(has_text="Thoughts")
    await expect(thoughts.get_by_text("Is the sky red?")).to_be_hidden()
    await thoughts.get_by_text("Thoughts").click()
    await expect(thoughts.get_by_text("Is the sky red?")).to_be_visible()
    assert "think>" not in await person.turns.last.inner_text()
