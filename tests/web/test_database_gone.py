"""A server whose database's file goes away answers nothing more and says why; and who can read its home."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.polling import until
from tests.support.server import RunningServer, start_server


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningServer]:
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o755)
    running = start_server(tmp_path / "home", environment={"AQUILON_MODELS": "none"})
    yield running
    running.stop()


def told(gateway: RunningServer, words: str) -> None:
    asyncio.run(until(lambda: words in gateway.log, 10))


@pytest.mark.slow
def test_a_server_whose_database_is_moved_away_says_so_until_it_is_back(gateway: RunningServer) -> None:
    file = gateway.home / "aquilon.db"
    headers = {"authorization": f"Bearer {gateway.api_key}"}
    with httpx.Client(base_url=gateway.url, headers=headers) as client:
        assert client.get("/v1/models").status_code == client.get("/ready").status_code == 200
        file.rename(gateway.home / "away.db")
        for path in ("/v1/models", "/v1/organization/api_keys", "/auth/session"):
            refused = client.get(path)
            assert (refused.status_code, "database is gone" in refused.json()["message"]) == (503, True)
        ready = client.get("/ready")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        assert f"The database {file} was removed or moved away" in ready.json()["reason"]
        assert client.get("/health").status_code == 200
        told(gateway, "Nothing is answered any more")
        assert not file.exists()
        (gateway.home / "away.db").rename(file)
        assert client.get("/v1/models").status_code == client.get("/ready").status_code == 200
        told(gateway, "The database is there again")


def test_what_it_writes_is_its_owner_s_alone_and_a_home_that_others_enter_is_told(gateway: RunningServer) -> None:
    written = [path for path in gateway.home.rglob("*") if path.name != "stderr.log"]
    assert {path.name for path in written} >= {"aquilon.db", "aquilon.db-wal", "server.json"}
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in written} == {0}
    assert "The home can be read by every user of this machine" in gateway.log
    assert f"chmod go-rwx {gateway.home}" in gateway.log
