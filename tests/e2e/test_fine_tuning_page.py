"""The console's page of fine-tuning jobs."""

from __future__ import annotations

import json

from playwright.async_api import FilePayload, expect
from tests.support.console import ConsoleVisitor

LINES = [
    {"messages": [{"role": "user", "content": f"Wind {number}?"}, {"role": "assistant", "content": "North."}]}
    for number in range(12)
]


def file_of(lines: list[dict[str, object]], name: str) -> FilePayload:
    content = "\n".join(map(json.dumps, lines)).encode()
    return {"name": name, "mimeType": "application/jsonl", "buffer": content}


async def test_price_and_time_are_estimated_before_a_job_is_created(owner: ConsoleVisitor) -> None:
    page = owner.page
    await owner.open("/fine-tuning")
    await page.get_by_role("button", name="Train a model").click()
    estimate = owner.dialog.get_by_role("button", name="Estimate price and time")
    said = owner.dialog.locator("p[role=status]")
    await estimate.click()
    await expect(owner.dialog.get_by_label("Training file")).to_be_focused()

    training = owner.dialog.get_by_label("Training file")
    await training.set_input_files(file_of([{"messages": []}], "empty.jsonl"))
    await estimate.click()
    await expect(owner.dialog.get_by_role("alert")).to_contain_text(
        "The file has lines that nothing can be learnt from."
    )
    await owner.dialog.get_by_text("What the server says, in English").click()
    await expect(owner.dialog.get_by_text("The file 'empty.jsonl' can't be learnt from: line 1")).to_be_visible()

    await training.set_input_files(file_of(LINES, "winds.jsonl"))
    await estimate.click()
    await expect(said).to_have_text("free, about 1 minute: 36 steps, 108 tokens")
    await owner.dialog.get_by_label("Epochs").fill("1")
    await expect(said).to_be_empty()
    await estimate.click()
    await expect(said).to_contain_text("12 steps")

    async with page.expect_response(lambda response: response.request.method == "DELETE"):
        await page.keyboard.press("Escape")
    await owner.open("/files")
    await expect(page.get_by_text("winds.jsonl")).to_have_count(0)
