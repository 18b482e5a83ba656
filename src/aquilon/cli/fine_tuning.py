"""``aquilon fine-tuning``: fine-tuning jobs, whether or not the server runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import Organization, as_operator, minute, whole_id
from aquilon.cli.options import AsJson, Home, settings_from

if TYPE_CHECKING:
    from pathlib import Path

    from aquilon.jobs.fine_tuning.jobs import FineTuningJobs
    from aquilon.jobs.fine_tuning.tables import FineTuningJob
    from aquilon.people.identity import Principal
    from aquilon.storage import Database

fine_tuning = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Fine-tuning jobs.")

JobArgument = Annotated[str, typer.Argument(metavar="ID", show_default=False)]


@fine_tuning.command("list")
def list_jobs(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="The newest so many.")] = 50,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List an organization's fine-tuning jobs, the newest first."""
    from aquilon.api.jobs.openai_fine_tuning import openai_job
    from aquilon.cli.tables import print_list

    async def newest(database: Database, operator: Principal) -> list[FineTuningJob]:
        return await _jobs(database, home).page(operator, limit=limit)

    no_jobs: list[FineTuningJob] = []
    print_list(
        [openai_job(job) for job in as_operator(home, organization, newest, before_first_start=no_jobs)],
        {
            "model": lambda job: job.fine_tuned_model or job.model,
            "status": lambda job: job.stage,
            "step": lambda job: f"{job.step} of {job.steps or '?'}",
            "created": lambda job: minute(job.created_at),
            "id": lambda job: job.id,
        },
        as_json=as_json,
        nothing="No fine-tuning jobs",
        right=("step",),
        spare=("created",),
    )


@fine_tuning.command("show")
def show_job(job: JobArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False) -> None:
    """Show one fine-tuning job."""

    async def get(database: Database, operator: Principal) -> FineTuningJob:
        return await _jobs(database, home).get(operator, await _id(database, operator, job))

    _show(as_operator(home, organization, get), home, as_json)


@fine_tuning.command("cancel")
def cancel_job(job: JobArgument, organization: Organization = None, home: Home = None, as_json: AsJson = False) -> None:
    """Cancel a fine-tuning job; nothing that was learnt is kept. A job that trains ends when the server sees it."""

    async def cancel(database: Database, operator: Principal) -> FineTuningJob:
        return await _jobs(database, home).cancel(operator, await _id(database, operator, job))

    _show(as_operator(home, organization, cancel), home, as_json)


async def _id(database: Database, operator: Principal, beginning: str) -> str:
    from aquilon.jobs.fine_tuning.tables import FineTuningJob

    return await whole_id(database, operator, FineTuningJob, beginning=beginning)


def _jobs(database: Database, home: Path | None) -> FineTuningJobs:
    from aquilon.catalogue.annotations import Annotations
    from aquilon.catalogue.catalogue import Catalogue
    from aquilon.jobs.files import Files
    from aquilon.jobs.fine_tuning.jobs import FineTuningJobs
    from aquilon.money.terms import KnownTerms

    settings = settings_from(home=home)
    return FineTuningJobs(
        database,
        settings,
        files=Files(database, settings),
        catalogue=Catalogue(None, Annotations(database, settings_aliases={})),
        terms=KnownTerms(database),
    )


def _show(job: FineTuningJob, home: Path | None, as_json: bool) -> None:
    from aquilon.api.jobs.openai_fine_tuning import openai_job
    from aquilon.cli.output import print_structs
    from aquilon.cli.tables import print_facts
    from aquilon.money.prices import amount

    if as_json:
        print_structs(openai_job(job))
        return
    currency = settings_from(home=home).currency
    cost = ""
    if job.ended_at:
        cost = f"{amount(job.cost or 0)} {currency}"
    elif job.estimated_cost is not None:
        cost = f"at most {amount(job.estimated_cost)} {currency}"
    facts = (
        ("id", job.id),
        ("status", job.status),
        ("problem", job.problem or ""),
        ("base", job.base),
        ("model", job.fine_tuned_model or ""),
        ("method", job.method),
        ("training", ", ".join(job.training_file_ids)),
        ("validation", ", ".join(job.validation_file_ids)),
        ("steps", f"{job.step:,} of {job.steps or '?'}"),
        ("tokens", f"{job.trained_tokens:,} trained on"),
        ("cost", cost),
        ("created", minute(job.created_at)),
        ("ended", minute(job.ended_at) if job.ended_at else ""),
    )
    print_facts([(name, value) for name, value in facts if value])
