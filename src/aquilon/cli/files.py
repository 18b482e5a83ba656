"""``aquilon files``: uploads and results, whether or not the server runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import Organization, as_operator, minute, whole_id
from aquilon.cli.options import AsJson, Home, settings_from

if TYPE_CHECKING:
    from aquilon.jobs.files import Files
    from aquilon.jobs.tables import StoredFile
    from aquilon.people.identity import Principal
    from aquilon.storage import Database

files = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Uploaded files, and results of batch jobs.")

FileArgument = Annotated[str, typer.Argument(metavar="ID", show_default=False)]


@files.command("list")
def list_files(
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="The newest so many.")] = 100,
    purpose: Annotated[str | None, typer.Option("--purpose", help="Such as batch.", show_default="any")] = None,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """List an organization's files, the newest first."""
    from aquilon.api.jobs.files import file_body
    from aquilon.cli.tables import print_list
    from aquilon.jobs.store.files import FileFilter

    async def newest(database: Database, operator: Principal) -> list[StoredFile]:
        return await _files(database, home).page(operator, FileFilter(purpose), limit=limit)

    no_files: list[StoredFile] = []
    print_list(
        [file_body(file) for file in as_operator(home, organization, newest, before_first_start=no_files)],
        {
            "name": lambda file: file.filename,
            "purpose": lambda file: file.purpose,
            "bytes": lambda file: f"{file.bytes:,}",
            "created": lambda file: minute(file.created_at),
            "kept until": lambda file: minute(file.expires_at, "it is deleted"),
            "id": lambda file: file.id,
        },
        as_json=as_json,
        nothing="No files",
        right=("bytes",),
        spare=("created", "kept until", "purpose"),
    )


@files.command("download")
def download_file(
    file: FileArgument,
    to: Annotated[Path | None, typer.Option("--to", help="A new file.", show_default="standard output")] = None,
    organization: Organization = None,
    home: Home = None,
) -> None:
    """Write a file's content to standard output or a new file.

    \b
    Example:
      aquilon files download file_0198c2 --to results.jsonl
    """
    import shutil
    import sys

    from aquilon.cli.errors import CommandError

    async def find(database: Database, operator: Principal) -> Path:
        stored_files = _files(database, home)
        return stored_files.content(await stored_files.get(operator, await _id(database, operator, file)))

    path = as_operator(home, organization, find)
    with path.open("rb") as reading:
        if to is None:
            shutil.copyfileobj(reading, sys.stdout.buffer)
            return
        try:
            with to.open("xb") as writing:
                shutil.copyfileobj(reading, writing)
        except FileExistsError:
            raise CommandError(f"{to} is there already: name another file") from None


@files.command("delete")
def delete_file(file: FileArgument, organization: Organization = None, home: Home = None) -> None:
    """Delete a file; models that learnt from it stay, and are named."""

    async def delete(database: Database, operator: Principal) -> tuple[str, list[str]]:
        file_id = await _id(database, operator, file)
        return file_id, await _files(database, home).delete(operator, file_id)

    file_id, learnt = as_operator(home, organization, delete)
    print(f"Deleted {file_id}")
    if learnt:
        print(f"Models that learnt from it: {', '.join(learnt)}")


async def _id(database: Database, operator: Principal, beginning: str) -> str:
    from aquilon.jobs.tables import StoredFile

    return await whole_id(database, operator, StoredFile, beginning=beginning)


def _files(database: Database, home: Path | None) -> Files:
    from aquilon.jobs.files import Files

    return Files(database, settings_from(home=home))
