"""What commands say to wrong arguments, settings and machines: words and an exit code, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.support.server import start_server


@pytest.mark.parametrize("url", ["mysql://u:geheim@h/x", "nonsense", "postgresql://u:geheim@h:port/x"])
def test_a_database_that_is_none_is_a_wrong_setting_and_its_password_is_not_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("AQUILON_DATABASE_URL", url)
    for command in (["keys", "list"], ["backup"], ["doctor"], ["up"], ["restore", "x.tar"]):
        told = run(*command)
        assert told.code == 2
        assert "database_url" in told.err
        assert "geheim" not in told.err
        assert "bug" not in told.err


def test_an_empty_variable_is_no_database(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AQUILON_DATABASE_URL", "")
    assert run("keys", "create", "--name", "a").code == 1  # before the first start there is nobody whose it could be
    assert run("backup").code == 0


def test_a_database_that_does_not_answer_is_told_before_anything_is_begun(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_server(home, environment={"AQUILON_MODELS": "none"}).stop()
    archive = tmp_path / "a.tar"
    assert run("backup", str(archive)).code == 0
    monkeypatch.setenv("AQUILON_DATABASE_URL", "postgresql://u:geheim@127.0.0.1:1/x")
    for command in (["keys", "list"], ["backup", str(tmp_path / "b.tar")], ["restore", str(archive)], ["doctor"]):
        told = run(*command)
        assert told.code == 1
        assert "u:***@127.0.0.1:1/x can't be used" in told.err + told.out
    monkeypatch.setenv("AQUILON_DATABASE_URL", f"sqlite:///{tmp_path}/gone/x.db")
    assert "there is no folder" in run("restore", str(archive)).err
    assert not (home / "restore-staged").exists()


def test_an_archive_that_is_not_there_or_has_no_room_is_not_called_damaged(run: Run, home: Path) -> None:
    assert "No such file" in run("restore", "gone.tar").err
