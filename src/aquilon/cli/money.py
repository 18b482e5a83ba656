"""``aquilon usage``, ``prices``, ``budgets`` and ``statement``: usage, its cost, and what may be spent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aquilon.cli.database import Organization, as_operator, remove_one, whole_id, with_database
from aquilon.cli.options import AsJson, Home, settings_from
from aquilon.money.statement_words import LANGUAGES

if TYPE_CHECKING:
    from aquilon.money.administration.budgets import BudgetStanding
    from aquilon.money.prices import PriceList
    from aquilon.money.store.usage import UsageRow
    from aquilon.people.identity import Principal
    from aquilon.storage import Database

_MOST_CENTS = 10**11

prices = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What models' tokens cost, and from when on.")
budgets = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What an organization, a workspace or a key may spend."
)


_NOTHING_COSTS = (
    "No model has a price, so budgets hold nobody back: aquilon prices set MODEL --prompt EUROS --completion EUROS"
)


def usage(
    since: Annotated[str, typer.Option("--since", metavar="DAY", help="[default: 30 days ago]")] = "",
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="Up to this day, not included.")] = "",
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
    from aquilon.cli.output import err, print_json
    from aquilon.cli.tables import Table, print_table
    from aquilon.money.prices import amount, day
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
        groups = [name for name in question.fields[1:-6] if name != "key_id"]
        counts = ("requests", "prompt", "cached", "completion", settings_from(home=home).currency)

        def numbers(summed: list[UsageRow]) -> list[str]:
            columns = ("requests", "prompt_tokens", "cached_tokens", "completion_tokens")
            sums = [sum(getattr(row, name) for row in summed) for name in columns]
            return [*(f"{count:,}" for count in sums), amount(sum(row.cost for row in summed))]

        lines = [
            [day(row.starts_at), *(getattr(row, name) or "(signed in)" for name in groups), *numbers([row])]
            for row in rows
        ]
        lines.append(["total", *("" for _ in groups), *numbers(rows)])
        print_table(Table.of(("from", *groups, *counts), lines, right=counts, spare=("cached", "requests")))


@prices.command("list")
def list_prices(home: Home = None, as_json: AsJson = False) -> None:
    """List every model's prices: past, present and planned ones."""
    import time

    from aquilon.cli.output import err, print_json
    from aquilon.cli.tables import Table, print_table
    from aquilon.money.prices import MILLIONTHS_A_CENT, amount, day
    from aquilon.money.store.prices import price_lists

    async def read(database: Database) -> dict[str, PriceList]:
        async with database.reading() as session:
            return await price_lists(session)

    price_lists_by_model = with_database(home, read)
    prices_of_models = [
        (model, price, price is history.at(int(time.time())))
        for model, history in price_lists_by_model.items()
        for price in history.prices
    ]
    if as_json:
        print_json(
            [
                {"model": model, "from": price.starts_at, "input": price.input, "cached_input": price.cached_input}
                | {"output": price.output, "batch_discount": price.batch_discount, "training": price.training}
                | {"holds": holds}
                for model, price, holds in prices_of_models
            ]
        )
        return
    if not prices_of_models:
        err().print("No model has a price, so all are free: aquilon prices set MODEL --prompt 0.10 --completion 0.30")
        return
    rows = [
        (
            model,
            day(price.starts_at),
            *(amount(cents * MILLIONTHS_A_CENT) for cents in price.rates.values()),
            f"{price.batch_discount}\u00a0%",
            amount(price.training * MILLIONTHS_A_CENT),
            "now" if holds else "",
        )
        for model, price, holds in prices_of_models
    ]
    numbers = ("prompt", "cached prompt", "completion", "batch discount", "training")
    titles = ("model", "from", *numbers, "holds")
    print_table(Table.of(titles, rows, right=numbers, spare=("batch discount", "cached prompt", "training")))
    err().print(f"[dim]{settings_from(home=home).currency} for a million tokens[/]")


@prices.command("set")
def set_price(
    model: Annotated[str, typer.Argument(metavar="MODEL", show_default=False)],
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="AMOUNT", help="Euros for a million prompt tokens, such as 0.10.")
    ] = None,
    completion: Annotated[
        str | None, typer.Option("--completion", metavar="AMOUNT", help="Euros for a million completion tokens.")
    ] = None,
    cached_prompt: Annotated[
        str | None,
        typer.Option(
            "--cached-prompt",
            metavar="AMOUNT",
            help="For prompt tokens that the prefix cache has.",
            show_default="as --prompt",
        ),
    ] = None,
    batch_discount: Annotated[int, typer.Option("--batch-discount", help="Percent off in batch jobs.")] = 0,
    training: Annotated[
        str | None,
        typer.Option(
            "--training",
            metavar="AMOUNT",
            help="For a million tokens that fine-tuning trains on.",
            show_default="as before, at first free",
        ),
    ] = None,
    start: Annotated[str, typer.Option("--from", metavar="DAY", help="When it starts.  [default: now]")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="A whole list instead: JSON as the API has it, in cents.")
    ] = None,
    home: Home = None,
) -> None:
    """Set what a model's tokens cost from a moment on; what was used before keeps its price.

    Amounts are in euros, or in the currency of AQUILON_CURRENCY.

    \b
    Examples:
      aquilon prices set smollm2-135m --prompt 0.10 --cached-prompt 0.05 --completion 0.30
      aquilon prices set smollm2-135m --prompt 0.12 --completion 0.36 --from 2027-01-01
      aquilon prices set smollm2-135m --prompt 0.10 --completion 0.30 --training 2.50
    """
    import time

    from aquilon.money.administration import prices as administration
    from aquilon.money.price_file import read_periods
    from aquilon.money.prices import FREE, Price
    from aquilon.money.usage_report import moment

    if (file is None) == (prompt is None or completion is None):
        raise typer.BadParameter("give --prompt and --completion, or --file", param_hint="--prompt")
    computed = None if prompt is None else _cents(prompt, "--prompt")
    cached = computed if cached_prompt is None else _cents(cached_prompt, "--cached-prompt")
    generated = None if completion is None else _cents(completion, "--completion")
    trained = None if training is None else _cents(training, "--training")

    async def write(database: Database, operator: Principal) -> None:
        if file is not None:
            await administration.set_price_list(database, operator, model, periods=read_periods(file.read_bytes()))
        elif computed is not None and cached is not None and generated is not None:
            starts_at = moment(start) if start else int(time.time())
            history = (await administration.price_lists(database)).get(model)
            before = (history.at(starts_at) if history is not None else None) or FREE
            price = Price(
                starts_at,
                input=computed,
                cached_input=cached,
                output=generated,
                batch_discount=batch_discount,
                training=before.training if trained is None else trained,
            )
            await administration.set_price(database, operator, model, price=price)

    as_operator(home, None, write)
    print(f"The prices of {model} are set")


@budgets.command("list")
def list_budgets(organization: Organization = None, home: Home = None, as_json: AsJson = False) -> None:
    """List budgets: limits, what was spent, and when each starts anew."""
    from aquilon.api.money.budgets import budget_body
    from aquilon.cli.output import err
    from aquilon.cli.tables import print_list
    from aquilon.money.administration import budgets as administration
    from aquilon.money.prices import amount, day

    rows = [budget_body(budget) for budget in as_operator(home, organization, administration.list_budgets)]
    currency = settings_from(home=home).currency
    print_list(
        rows,
        {
            "for": lambda budget: budget.scope,
            "name": lambda budget: budget.name,
            "period": lambda budget: budget.period,
            f"limit {currency}": lambda budget: amount(budget.limit_microcents),
            f"spent {currency}": lambda budget: amount(budget.spent_microcents),
            "starts anew": lambda budget: "never" if budget.resets_at is None else day(budget.resets_at),
            "id": lambda budget: budget.id,
        },
        as_json=as_json,
        nothing="No budgets: everybody may spend what they like",
        right=(f"limit {currency}", f"spent {currency}"),
        spare=("for", "starts anew", "id"),
    )
    if any(not budget.effective for budget in rows):
        err().print(_NOTHING_COSTS)


@budgets.command("set")
def set_budget(
    limit: Annotated[str, typer.Argument(metavar="AMOUNT", help="In euros, such as 50 or 12.50.", show_default=False)],
    period: Annotated[
        str | None, typer.Option("--period", help="day, week, month, or once for prepaid credit.", show_default="month")
    ] = None,
    workspace: Annotated[str | None, typer.Option("--workspace", help="For a workspace, by name or id.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="For an API key, by id or prefix.")] = None,
    budget_id: Annotated[str | None, typer.Option("--id", help="Change this budget's amount, as listed.")] = None,
    organization: Organization = None,
    home: Home = None,
) -> None:
    """Set what an organization, a workspace or a key may spend in a period; a running server follows at once.

    Prints the budget's id. The amount is in euros, or in the currency of AQUILON_CURRENCY.
    An existing budget for the same period is changed; what was spent of it still counts.

    \b
    Examples:
      aquilon budgets set 50
      aquilon budgets set 75 --id budget_3fK9x2bR
      aquilon budgets set 2.50 --period day --key aq-3fK9x2b
      aquilon budgets set 100 --period once --workspace research
    """
    from aquilon.cli.output import err
    from aquilon.money.administration import budgets as administration
    from aquilon.money.budgets import BUDGET_PERIODS
    from aquilon.money.prices import MILLIONTHS_A_CENT, amount
    from aquilon.people.tables import ApiKey

    microcents = _cents(limit, "AMOUNT") * MILLIONTHS_A_CENT
    if period is not None and period not in BUDGET_PERIODS:
        raise typer.BadParameter(f"'{period}' is none of {', '.join(BUDGET_PERIODS)}", param_hint="--period")
    if workspace is not None and key is not None:
        raise typer.BadParameter("a budget is for a workspace or for a key", param_hint="--key")
    if budget_id is not None and (workspace or key or period is not None):
        raise typer.BadParameter(
            "--id names a budget with its owner and period: give --id alone",
            param_hint="--id",
        )

    async def write(database: Database, operator: Principal) -> BudgetStanding:
        if budget_id is not None:
            return await administration.change_budget(database, operator, budget_id, amount=microcents)
        return await administration.set_budget(
            database,
            operator,
            period=period or "month",
            amount=microcents,
            workspace=workspace,
            key=None if key is None else await whole_id(database, operator, ApiKey, beginning=key),
        )

    standing = as_operator(home, organization, write)
    print(standing.budget.id)
    span = "once" if standing.budget.period == "once" else f"a {standing.budget.period}"
    err().print(f"{amount(microcents)} {settings_from(home=home).currency} {span}")
    if not standing.priced_models:
        err().print(_NOTHING_COSTS)


@budgets.command("remove")
def remove_budget(
    budget_id: Annotated[str, typer.Argument(metavar="ID", help="As listed.", show_default=False)],
    organization: Organization = None,
    home: Home = None,
) -> None:
    """Remove a budget: what it held back may be spent from now on."""
    from aquilon.money.administration import budgets as administration
    from aquilon.money.tables import StoredBudget

    remove_one(home, organization, administration.remove_budget, name=budget_id, table=StoredBudget)


def _cents(text: str, option: str) -> int:
    """Whole cents of an amount such as ``12.50``. Raises BadParameter."""
    from decimal import Decimal, InvalidOperation

    try:
        cents = Decimal(text) * 100
        whole = int(cents)
    except (InvalidOperation, OverflowError, ValueError):
        raise typer.BadParameter(f"'{text}' is not an amount: write 50 or 12.50", param_hint=option) from None
    if whole != cents or not 0 <= whole <= _MOST_CENTS:
        raise typer.BadParameter(
            f"'{text}' is out of range: an amount goes from 0 to {_MOST_CENTS // 100:,} and has no part of a cent",
            param_hint=option,
        )
    return whole


def statement(
    month: Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2026-11.", show_default=False)],
    pdf: Annotated[Path | None, typer.Option("--pdf", metavar="FILE", help="Write it as a PDF.")] = None,
    language: Annotated[str, typer.Option("--language", help="Of the PDF: en, fr, de, es or it.")] = "en",
    organization: Organization = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what an organization owes for a month, with VAT; AQUILON_SELLER and AQUILON_VAT_PERCENT say who bills it.

    \b
    Examples:
      aquilon statement 2026-11
      aquilon statement 2026-11 --org acme --pdf acme.pdf --language fr
    """
    import msgspec

    from aquilon.cli.output import print_json
    from aquilon.cli.tables import Table, print_table
    from aquilon.money.administration import statements
    from aquilon.money.prices import amount
    from aquilon.money.statements import Month, Statement

    if language not in LANGUAGES:
        raise typer.BadParameter(f"'{language}' is none of {', '.join(LANGUAGES)}", param_hint="--language")
    settings = settings_from(home=home)

    async def write(database: Database, operator: Principal) -> Statement:
        return await statements.statement(database, settings, operator, month=Month.read(month))

    month_statement = as_operator(home, organization, write)
    if pdf is not None:
        from aquilon.money.statement_logo import read_logo
        from aquilon.money.statement_pdf import statement_pdf

        logo = None if settings.seller_logo is None else read_logo(settings.seller_logo)
        pdf.write_bytes(statement_pdf(month_statement, language, logo))
        print(f"Wrote {pdf}")
    elif as_json:
        from aquilon.api.money.statements import statement_body

        print_json(msgspec.to_builtins(statement_body(month_statement)))
    else:
        rows = [(line.workspace, line.model, f"{line.requests:,}", amount(line.cost)) for line in month_statement.lines]
        numbers = ("requests", month_statement.currency)
        print_table(Table.of(("workspace", "model", *numbers), rows, right=numbers, spare=("requests",)))
        net, vat, total = (
            f"{cents // 100:,}.{cents % 100:02}"
            for cents in (month_statement.net, month_statement.vat, month_statement.total)
        )
        print(f"Net {net}, VAT {vat}, total {total} {month_statement.currency}")
