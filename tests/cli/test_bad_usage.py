"""What commands say to wrong arguments, settings and machines: words and an exit code, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.support.homes import begin_home


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


@pytest.mark.parametrize("text", ["port = \n", "[section\n", "\x00", "port 8080\n"])
def test_a_malformed_settings_file_is_named_and_is_a_wrong_setting(run: Run, home: Path, text: str) -> None:
    home.mkdir()
    (home / "aquilon.toml").write_text(text)
    for command in (["models", "list"], ["up"]):
        told = run(*command)
        assert told.code == 2
        assert f"{home / 'aquilon.toml'} isn't valid TOML" in told.err
        assert "bug" not in told.err


def test_a_settings_file_that_is_no_text_is_named(run: Run, home: Path) -> None:
    home.mkdir()
    (home / "aquilon.toml").write_bytes("port = 1\n".encode("utf-16"))
    assert "aquilon.toml isn't UTF-8" in run("models", "list").err
    (home / "aquilon.toml").unlink()
    (home / "aquilon.toml").mkdir()
    told = run("models", "list")
    assert told.code in (0, 2)
    assert "bug" not in told.err


def test_a_settings_file_may_begin_with_a_byte_order_mark(run: Run, home: Path) -> None:
    home.mkdir()
    (home / "aquilon.toml").write_bytes(b"\xef\xbb\xbfport = 9399\r\n")
    assert run("models", "list").code == 0
    (home / "aquilon.toml").write_bytes(b"\xef\xbb\xbfport = 93990\r\n")
    assert "port is 93990" in run("models", "list").err  # it was read


def test_an_empty_variable_is_the_home_s_own_database(
    run: Run, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AQUILON_DATABASE_URL", "")
    assert run("keys", "create", "--name", "a").code == 0
    assert run("backup").code == 0


def test_a_database_that_does_not_answer_is_told_before_anything_is_begun(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_home(home)
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


@pytest.fixture
def begun(home: Path) -> Path:
    """A home after its first start."""
    begin_home(home)
    return home


def test_numbers_beyond_all_measure_and_keys_that_are_no_text_are_wrong_usage(
    run: Run, begun: Path, tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00")
    upstream = ["upstreams", "add", "far", "http://127.0.0.1:1/v1", "--key-file", str(tmp_path / "key")]
    provider = ["sso", "add", "corp", "https://login.example.org", "--client-id", "a", "--secret-file"]
    for command in (
        ["budgets", "set", "9" * 30],
        ["keys", "create", "--name", "a", "--days", "9" * 30],
        upstream,
        [*provider, str(tmp_path / "key")],
    ):
        told = run(*command)
        assert told.code == 2, told
        assert "bug" not in told.err


def test_a_keys_limits_are_changed_one_by_one_and_lifted(run: Run, begun: Path) -> None:
    limits = ["--model", "a", "--address", "192.0.2.7", "--days", "3"]
    made = json.loads(run("keys", "create", "--name", "ci", *limits, "--json").out)["id"]

    def limited(*changes: str) -> tuple[object, object, bool, list[str]]:
        key = json.loads(run("keys", "update", made, *changes, "--json").out)
        return key["allowed_models"], key["allowed_addresses"], key["expires_at"] is not None, key["scopes"]

    assert limited("--scope", "usage") == (["a"], ["192.0.2.7/32"], True, ["usage"])
    assert limited("--model", "") == (None, ["192.0.2.7/32"], True, ["usage"])
    assert limited("--address", "", "--days", "0") == (None, None, False, ["usage"])


def test_what_is_not_named_of_an_upstreams_model_stays(run: Run, begun: Path) -> None:
    there = ["http://127.0.0.1:1/v1", "--model", "m=far", "--context", "100", "--weight", "0", "--can", "completions"]
    assert run("upstreams", "add", "spare", *there).code == 0
    changed = json.loads(run("upstreams", "models", "spare", "--model", "m", "--context", "200", "--json").out)
    told = [(each["remote"], each["max_context"], each["weight"], each["capabilities"]) for each in changed]
    assert told == [("far", 200, 0, ["completions"])]
