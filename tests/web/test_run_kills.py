"""A server that is killed or stopped while it writes answers in the background."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.run_kills import check_billing, kill_under_runs


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
async def test_kills_lose_nothing_that_was_acknowledged_and_bill_each_run_once(tmp_path: Path, kills: int) -> None:
    load = await kill_under_runs(tmp_path, kills=kills)
    check_billing(tmp_path, load)
    assert load.statuses["failed"] >= kills
    print(f"{kills} kills, {load.statuses}, all final and checked within {load.slowest:.2f} s of each start")
