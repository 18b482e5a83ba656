"""What each API process holds of budgets and slots in a shared database, and which processes are alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, literal, select, text, tuple_, union_all, update
from sqlalchemy.ext.asyncio import AsyncSession

from aquilon.money.tables import ApiProcess, BudgetSpending, Hold
from aquilon.people.scope import Scope
from aquilon.storage.rows import Insert, Statement, write_in

Line = tuple[str, int]

_LOCK = 0x686F6C64  # "hold"


def _joined(insert_into: Insert) -> Any:
    return insert_into(ApiProcess.__table__).on_conflict_do_nothing()


def _added(insert_into: Insert) -> Any:
    adding = insert_into(Hold.__table__)
    sums = {"amount": adding.table.c.amount + adding.excluded.amount}
    return adding.on_conflict_do_update(index_elements=list(adding.table.primary_key), set_=sums)


_JOIN, _ADD = Statement(_joined), Statement(_added)


async def join(session: AsyncSession, process_id: str) -> None:
    """Register an API process as alive. A second call changes nothing."""
    await write_in(session, [(_JOIN, [{"id": process_id, "beats": 0}])])


async def leave(session: AsyncSession, process_id: str) -> None:
    """Remove a process, with all that it held."""
    await session.execute(delete(ApiProcess).where(ApiProcess.id == process_id))


async def beat(session: AsyncSession, process_id: str) -> dict[str, int] | None:
    """Increment a process's beat counter; returns every process's counter, or None if this one was removed as dead."""
    row = update(ApiProcess).where(ApiProcess.id == process_id).values(beats=ApiProcess.beats + 1)
    if (await session.execute(row.returning(ApiProcess.id))).first() is None:
        return None
    return {row.id: row.beats for row in await session.execute(select(ApiProcess.id, ApiProcess.beats))}


async def remove_dead(session: AsyncSession, process_id: str, beats: int) -> bool:
    """Remove a process whose beat counter is still ``beats``; False if it has changed."""
    gone = delete(ApiProcess).where(ApiProcess.id == process_id, ApiProcess.beats == beats)
    return (await session.execute(gone.returning(ApiProcess.id))).first() is not None


async def lock_and_sum(session: AsyncSession, scope: Scope, lines: Sequence[Line]) -> dict[Line, int]:
    """What was spent of each line plus what all processes hold of it.

    Locks the organization's claims until the transaction ends. Spending that is recorded
    meanwhile counts once, either as spent or as held.
    """
    await session.execute(
        text("SELECT pg_advisory_xact_lock(:lock, hashtext(:organization))"),
        {"lock": _LOCK, "organization": scope.organization_id},
    )
    held = scope.select(Hold).with_only_columns(Hold.line_id, Hold.starts_at, Hold.amount)
    spent = scope.select(BudgetSpending).with_only_columns(
        BudgetSpending.budget_id, BudgetSpending.starts_at, BudgetSpending.spent
    )
    amounts: Any = union_all(
        held.where(tuple_(Hold.line_id, Hold.starts_at).in_(lines)),
        spent.where(tuple_(BudgetSpending.budget_id, BudgetSpending.starts_at).in_(lines)),
    ).subquery()
    line_id, starts_at, amount = amounts.c
    rows = await session.execute(select(line_id, starts_at, func.sum(amount)).group_by(line_id, starts_at))
    return dict.fromkeys(lines, 0) | {(id_, starts): int(total) for id_, starts, total in rows}


async def change_holds(session: AsyncSession, scope: Scope, process_id: str, *, changes: Mapping[Line, int]) -> None:
    """Add to what a process holds of lines, or subtract from it. Raises IntegrityError if it was removed as dead.

    Amounts are added, never set, so that spending recorded meanwhile isn't lost.
    """
    rows = [
        {
            "process_id": process_id,
            "line_id": line_id,
            "starts_at": starts_at,
            "organization_id": scope.organization_id,
            "amount": amount,
        }
        for (line_id, starts_at), amount in sorted(changes.items())
        if amount
    ]
    await write_in(session, [(_ADD, rows)])


async def remove_holds(session: AsyncSession, scope: Scope, process_id: str, *, lines: Sequence[Line]) -> None:
    """Remove all that a process holds of these lines."""
    if lines:
        of_process = scope.delete(Hold).where(Hold.process_id == process_id)
        await session.execute(of_process.where(tuple_(Hold.line_id, Hold.starts_at).in_(lines)))


async def turn_into_spending(session: AsyncSession, process_id: str, spent: Mapping[tuple[str, int, str], int]) -> None:
    """Subtract what `usage.record` recorded from what the process holds, in the same transaction."""
    for (line_id, starts_at, organization_id), amount in sorted(spent.items()):
        if not amount:
            continue
        less = Scope(organization_id).update(Hold).where(Hold.process_id == process_id)
        less = less.where(Hold.line_id == line_id, Hold.starts_at == starts_at)
        await session.execute(less.values(amount=func.greatest(Hold.amount - literal(amount), 0)))
