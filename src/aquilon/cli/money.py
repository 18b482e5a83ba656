"""``aquilon usage``, ``prices`` and ``budgets``: what was used, what it costs, what may be spent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import Organization, as_operator, remove_one, with_database
from aquilon.cli.options import AsJson, Home

if TYPE_CHECKING:
    from aquilon.money.budgets import Budget
    from aquilon.money.prices import PriceList
    from aquilon.money.store.usage import UsageRow
    from aquilon.people.identity import Principal
    from aquilon.storage import Database

prices = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What models' tokens cost, and from when on.")
budgets = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What an organization, a workspace or a key may spend."
)


def usage(
    since: Annotated[str, typer.Option("--since", metavar="DAY", help="[default: 30 days ago]")] = "",
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="The first day that no longer counts.")] = "",
    by: Annotated[str, typer.Option("--by", help="Any of model,key,member,workspace.", show_default=False)] = "",
    hourly: Annotated[bool, typer.Option("--hourly", help="A row an hour in place of one a day.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what was used: requests, tokens and their cost, by day or hour (UTC).

    \b
    Examples:
      aquilon usage --by model
      aquilon usage --since 2026-11-01 --by key,model --csv > november.csv
    """
    from aquilon.cli.output import add_row, err, out, print_json, table
    from aquilon.money.prices import cents, day
    from aquilon.money.usage_report import UsageQuestion
    from aquilon.people.scope import Scope

    async def read(database: Database, operator: Principal) -> tuple[UsageQuestion, list[UsageRow]]:
        question = UsageQuestion.read(span="hour" if hourly else "day", since=since, until=until, by=by)
        async with database.reading() as session:
            return question, await question.answer(session, Scope.of_organization(operator))

    question, rows = as_operator(home, organization, read)
    if as_csv:
        print(question.as_csv(rows), end="")
    elif as_json:
        print_json([question.as_object(row) for row in rows])
    elif not rows:
        err().print("Nothing was used in this time")
    else:
        told = [name for name in question.fields[1:-6] if name != "key_id"]
        counts = ("requests", "prompt", "cached", "completion", "cents")
        lines = table("from", *told, *counts, right=counts)
        for row in rows:
            numbers = (row.requests, row.prompt_tokens, row.cached_tokens, row.completion_tokens)
            named = (getattr(row, name) or "(signed in)" for name in told)
            add_row(lines, day(row.starts_at), *named, *map(str, numbers), cents(row.cost))
        out().print(lines)


@prices.command("list")
def list_prices(home: Home = None, as_json: AsJson = False) -> None:
    """List every model's prices: those that were, the one that holds, those to come."""
    import time

    from aquilon.cli.output import add_row, err, out, print_json, table
    from aquilon.money.prices import day
    from aquilon.money.store.prices import price_lists

    async def read(database: Database) -> dict[str, PriceList]:
        async with database.reading() as session:
            return await price_lists(session)

    found = with_database(home, read)
    told = [
        (model, price, price is history.at(int(time.time())))
        for model, history in found.items()
        for price in history.prices
    ]
    if as_json:
        print_json(
            [
                {"model": model, "from": price.starts_at, "input": price.input, "cached_input": price.cached_input}
                | {"output": price.output, "batch_discount": price.batch_discount, "holds": holds}
                for model, price, holds in told
            ]
        )
        return
    if not told:
        err().print("No model has a price, so all are free: aquilon prices set MODEL --input CENTS --output CENTS")
        return
    amounts = ("input", "cached input", "output", "batch discount")
    rows = table("model", "from", *amounts, "", right=amounts)
    for model, price, holds in told:
        rates = (str(rate) for rate in price.rates.values())
        add_row(rows, model, day(price.starts_at), *rates, f"{price.batch_discount} %", "holds now" if holds else "")
    out().print(rows)


@prices.command("set")
def set_price(
    model: Annotated[str, typer.Argument(metavar="MODEL", show_default=False)],
    input_: Annotated[int | None, typer.Option("--input", help="Cents for a million prompt tokens.")] = None,
    output: Annotated[int | None, typer.Option("--output", help="Cents for a million completion tokens.")] = None,
    cached_input: Annotated[
        int | None, typer.Option("--cached-input", help="For prompt tokens in the prefix cache.  [default: as input]")
    ] = None,
    batch_discount: Annotated[int, typer.Option("--batch-discount", help="Percent off in batch jobs.")] = 0,
    start: Annotated[str, typer.Option("--from", metavar="DAY", help="When it starts.  [default: now]")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="A whole list instead: JSON, with from, until and the same names.")
    ] = None,
    home: Home = None,
) -> None:
    """Set what a model's tokens cost from a moment on; what was used before keeps its price.

    \b
    Examples:
      aquilon prices set smollm2-135m --input 10 --cached-input 5 --output 30
      aquilon prices set smollm2-135m --input 12 --output 36 --from 2027-01-01
    """
    import time

    from aquilon.money.administration import prices as administration
    from aquilon.money.price_file import read_periods
    from aquilon.money.prices import Price
    from aquilon.money.usage_report import moment

    if (file is None) == (input_ is None or output is None):
        raise typer.BadParameter("give --input and --output, or --file", param_hint="--input")

    async def write(database: Database, operator: Principal) -> None:
        if file is not None:
            await administration.set_price_list(database, operator, model, read_periods(file.read_bytes()))
        elif input_ is not None and output is not None:
            cached = input_ if cached_input is None else cached_input
            begins = moment(start) if start else int(time.time())
            price = Price(begins, input_, cached, output, batch_discount)
            await administration.set_price(database, operator, model, price)

    as_operator(home, None, write)
    print(f"The prices of {model} are set")


@budgets.command("list")
def list_budgets(organization: Organization = None, home: Home = None, as_json: AsJson = False) -> None:
    """List budgets: what each is, what was spent of it, and when it starts anew."""
    from aquilon.api.money.budgets import budget_body
    from aquilon.cli.output import print_list
    from aquilon.money.administration import budgets as administration
    from aquilon.money.prices import cents, day

    print_list(
        [budget_body(one) for one in as_operator(home, organization, administration.list_budgets)],
        {
            "id": lambda budget: budget.id,
            "for": lambda budget: budget.scope,
            "name": lambda budget: budget.name,
            "period": lambda budget: budget.period,
            "cents": lambda budget: cents(budget.limit_microcents),
            "spent": lambda budget: cents(budget.spent_microcents),
            "starts anew": lambda budget: "never" if budget.resets_at is None else day(budget.resets_at),
        },
        as_json=as_json,
        nothing="No budgets: everybody may spend what they like",
        right=("cents", "spent"),
    )


@budgets.command("set")
def set_budget(
    amount: Annotated[int, typer.Argument(metavar="CENTS", min=0, max=10**11, show_default=False)],
    period: Annotated[str, typer.Option("--period", help="day, week, month, or once for prepaid credit.")] = "month",
    workspace: Annotated[str | None, typer.Option("--workspace", help="For a workspace, by name or id.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="For an API key, by id or prefix.")] = None,
    organization: Organization = None,
    home: Home = None,
) -> None:
    """Set what an organization, a workspace or a key may spend in a period; a running server follows at once.

    \b
    Examples:
      aquilon budgets set 5000
      aquilon budgets set 200 --period day --key aq-3fK9x2b
      aquilon budgets set 10000 --period once --workspace research
    """
    from aquilon.money.administration import budgets as administration
    from aquilon.money.budgets import BUDGET_PERIODS
    from aquilon.money.prices import MILLIONTHS_A_CENT

    if period not in BUDGET_PERIODS:
        raise typer.BadParameter(f"'{period}' is none of {', '.join(BUDGET_PERIODS)}", param_hint="--period")
    if workspace is not None and key is not None:
        raise typer.BadParameter("a budget is for a workspace or for a key", param_hint="--key")

    async def write(database: Database, operator: Principal) -> Budget:
        return await administration.set_budget(
            database,
            operator,
            period,
            amount * MILLIONTHS_A_CENT,
            workspace=workspace,
            key=None if key is None else key.rstrip("…"),
        )

    print(as_operator(home, organization, write).id)


@budgets.command("remove")
def remove_budget(
    budget_id: Annotated[str, typer.Argument(metavar="ID", help="As listed.", show_default=False)],
    organization: Organization = None,
    home: Home = None,
) -> None:
    """Remove a budget: what it held back may be spent from now on."""
    from aquilon.money.administration import budgets as administration

    remove_one(home, organization, administration.remove_budget, budget_id)


def statement(
    month: Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2026-11.", show_default=False)],
    pdf: Annotated[Path | None, typer.Option("--pdf", metavar="FILE", help="Write it as a PDF.")] = None,
    language: Annotated[str, typer.Option("--language", help="Of the PDF: en or fr.")] = "en",
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what an organization owes for a month, with VAT; AQUILON_VAT_PERCENT and AQUILON_SELLER fill its head.

    \b
    Examples:
      aquilon statement 2026-11
      aquilon statement 2026-11 --org acme --pdf acme.pdf --language fr
    """
    import msgspec

    from aquilon.cli.options import settings_from
    from aquilon.cli.output import add_row, out, print_json, table
    from aquilon.money.administration import statements
    from aquilon.money.prices import cents
    from aquilon.money.statements import Month, Statement

    if language not in ("en", "fr"):
        raise typer.BadParameter(f"'{language}' is none of en, fr", param_hint="--language")
    settings = settings_from(home=home)

    async def write(database: Database, operator: Principal) -> Statement:
        return await statements.statement(database, settings, operator, Month.read(month))

    told = as_operator(home, organization, write)
    if pdf is not None:
        from aquilon.money.statement_pdf import statement_pdf

        pdf.write_bytes(statement_pdf(told, "fr" if language == "fr" else "en"))
        print(f"Wrote {pdf}")
    elif as_json:
        from aquilon.api.money.statements import statement_body

        print_json(msgspec.to_builtins(statement_body(told)))
    else:
        rows = table("workspace", "model", "requests", "cents", right=("requests", "cents"))
        for line in told.lines:
            add_row(rows, line.workspace, line.model, str(line.requests), cents(line.cost))
        out().print(rows)
        print(f"Net {told.net / 100:.2f}, VAT {told.vat / 100:.2f}, total {told.total / 100:.2f} {told.currency}")
