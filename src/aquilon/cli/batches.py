"""``aquilon batches``: batch jobs, whether or not the server runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import Organization, as_operator, minute, whole_id
from aquilon.cli.options import AsJson, Home, settings_from

if TYPE_CHECKING:
    from pathlib import Path

    from aquilon.jobs.batches import Batches
    from aquilon.jobs.tables import Batch
    from aquilon.people.identity import Principal
    from aquilon.storage import Database

batches = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Batch jobs.")

BatchArgument = Annotated[str, typer.Argument(metavar="ID", show_default=False)]


@batches.command("list")
def list_batches(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="The newest so many.")] = 50,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List an organization's batch jobs, the newest first."""
    from aquilon.api.jobs.openai_batches import openai_batch_body
    from aquilon.cli.tables import print_list

    async def newest(database: Database, operator: Principal) -> list[Batch]:
        return await _batches(database, home).page(operator, limit=limit)

    no_batches: list[Batch] = []
    print_list(
        [openai_batch_body(job) for job in as_operator(home, organization, newest, before_first_start=no_batches)],
        {
            "endpoint": lambda job: job.endpoint,
            "status": lambda job: job.status,
            "lines": lambda job: str(job.request_counts.total),
            "done": lambda job: str(job.request_counts.completed),
            "failed": lambda job: str(job.request_counts.failed),
            "created": lambda job: minute(job.created_at),
            "id": lambda job: job.id,
        },
        as_json=as_json,
        nothing="No batch jobs",
        right=("lines", "done", "failed"),
        spare=("created", "endpoint"),
    )


@batches.command("show")
def show_batch(
    batch: BatchArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Show one batch job."""

    async def get(database: Database, operator: Principal) -> Batch:
        return await _batches(database, home).get(operator, await _id(database, operator, batch))

    _show(as_operator(home, organization, get), as_json)


@batches.command("cancel")
def cancel_batch(
    batch: BatchArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Cancel a batch job; what is on record already is kept."""

    async def cancel(database: Database, operator: Principal) -> Batch:
        return await _batches(database, home).cancel(operator, await _id(database, operator, batch))

    _show(as_operator(home, organization, cancel), as_json)


async def _id(database: Database, operator: Principal, beginning: str) -> str:
    from aquilon.jobs.tables import Batch

    return await whole_id(database, operator, Batch, beginning=beginning)


def _batches(database: Database, home: Path | None) -> Batches:
    from aquilon.jobs.batches import Batches
    from aquilon.jobs.files import Files

    return Batches(database, Files(database, settings_from(home=home)))


def _show(job: Batch, as_json: bool) -> None:
    from aquilon.api.jobs.openai_batches import openai_batch_body
    from aquilon.cli.output import print_structs
    from aquilon.cli.tables import print_facts

    if as_json:
        print_structs(openai_batch_body(job))
        return
    facts = (
        ("id", job.id),
        ("status", job.status),
        ("problem", job.problem or ""),
        ("endpoint", job.endpoint),
        ("model", job.model or "each line's own"),
        ("input", ", ".join(job.input_file_ids)),
        ("output", job.output_file_id or ""),
        ("errors", job.error_file_id or ""),
        ("lines", f"{job.total:,}: {job.succeeded} done, {job.failed} failed"),
        ("tokens", f"{job.prompt_tokens:,} in the prompts, {job.completion_tokens:,} in the completions"),
        ("created", minute(job.created_at)),
        ("ends", minute(job.ended_at or job.expires_at)),
    )
    print_facts(facts)
