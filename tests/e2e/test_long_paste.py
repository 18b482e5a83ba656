"""A paste that is too long for the question field becomes a document."""

from __future__ import annotations

from playwright.async_api import Page, expect
from tests.support.browser import Visitor

SHORT, LONG = (f"A heron {' ' * spaces} stands still.\n" for spaces in (19_800, 20_200))
"""Few words, whose vectors are soon computed."""
NOTE = "What you pasted is long, so it is a document now"


async def paste(page: Page, text: str) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.evaluate("text => navigator.clipboard.writeText(text)", text)
    await page.keyboard.press("Control+V")


async def test_a_long_paste_becomes_a_document_or_goes_into_the_question_after_all(person: Visitor) -> None:
    page = person.page
    documents = page.get_by_role("list", name="Documents of this conversation")
    note = page.get_by_role("status").filter(has_text=NOTE)
    await paste(page, SHORT)
    await expect(person.field).to_have_value(SHORT)
    await person.field.fill("What of ? Why?")
    for _ in range(5):
        await page.keyboard.press("ArrowLeft")
    await paste(page, LONG)
    await expect(note).to_be_visible()
    await expect(documents).to_contain_text("Pasted text.txt")
    await expect(documents).to_contain_text("Read")
    await expect(person.field).to_have_value("What of ? Why?")

    for _ in range(3):  # past the ways to attach documents and to remove this one
        await page.keyboard.press("Shift+Tab")
    await expect(note.get_by_role("button", name="Put it into the question")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(person.field).to_have_value(f"What of ?{LONG} Why?")
    await expect(person.field).to_be_focused()
    await expect(documents).to_have_count(0)
    await expect(note).to_have_count(0)


async def test_several_long_pastes_are_told_apart_and_the_note_ends_with_its_document(person: Visitor) -> None:
    page = person.page
    note = page.get_by_role("status").filter(has_text=NOTE)
    for _ in range(2):
        await paste(page, LONG)
    documents = page.get_by_role("list", name="Documents of this conversation")
    await expect(documents.get_by_text("Pasted text 2.txt")).to_be_visible()
    await page.get_by_role("button", name="Remove “Pasted text 2.txt”").click()
    await expect(note).to_have_count(0)
    await expect(documents.get_by_text("Pasted text.txt")).to_be_visible()


async def test_a_long_paste_stays_in_the_field_of_a_conversation_without_documents(person: Visitor) -> None:
    page = person.page
    await page.get_by_role("button", name="Temporary conversation").click()
    await person.field.focus()
    await paste(page, LONG)
    await expect(person.field).to_have_value(LONG)
    await expect(page.get_by_role("status").filter(has_text=NOTE)).to_have_count(0)
