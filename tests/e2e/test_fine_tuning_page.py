"""The console's page of fine-tuning jobs."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.async_api import FilePayload, expect
from tests.support.console import ConsoleVisitor

from aquilon.jobs.fine_tuning.store import NewEvent, add_events
from aquilon.jobs.fine_tuning.tables import FineTuningJob
from aquilon.settings import Settings
from aquilon.storage import Database

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


async def test_a_job_of_before_whose_model_is_gone_reads_in_the_page_s_language(owner: ConsoleVisitor) -> None:
    page = owner.page
    await owner.open("/files")
    await page.get_by_label("Purpose").select_option("fine-tune")
    await page.locator("input[type=file]").set_input_files(file_of(LINES, "before.jsonl"))
    await expect(page.get_by_text("before.jsonl is uploaded.")).to_be_visible()
    _, files = await owner.fetch("GET", "/v1/files?purpose=fine-tune")
    asked = {"model": "smollm2-135m", "training_files": [files["data"][0]["id"]], "hyperparameters": {}}
    created = await owner.make("/v1/fine_tuning/jobs", {**asked, "suffix": "before", "auto_start": False})
    await owner.make(f"/v1/fine_tuning/jobs/{created['id']}/cancel", {})
    database = await Database.open(Settings(home=Path(owner.server.home)))
    try:
        async with database.writing() as session:
            job = await session.get_one(FineTuningJob, created["id"])
            job.status, job.fine_tuned_model = "succeeded", "ft:smollm2-135m:house:before:1"
            saved = NewEvent(
                message="Checkpoint created at step 3", kind="checkpoint", step=3, data={"train_loss": 2.5}
            )
            await add_events(session, job, [saved])
    finally:
        await database.close()

    await owner.open("/fine-tuning")
    await owner.choose_language("Français")
    await expect(owner.row("before")).to_contain_text("Son modèle a été supprimé ou archivé.")
    await expect(owner.row("before").get_by_role("button")).to_have_text(["Détails", "Supprimer l’entrée"])
    await owner.row("before").get_by_role("button").first.click()
    await expect(owner.dialog.get_by_role("listitem").first).to_contain_text("après le pas 3")
    await expect(owner.dialog.get_by_role("row").filter(has_text="2,5")).to_have_count(1)
