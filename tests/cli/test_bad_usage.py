"""What commands say to wrong arguments, settings and machines: words and an exit code, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.support.homes import begin_home


def test_an_option_of_a_command_that_stands_before_it_is_explained(run: Run) -> None:
    outcome = run("--home", "elsewhere", "usage")
    assert outcome.code == 2
    assert "An option of a command stands after it: aquilon COMMAND --home …" in outcome.err
    assert "stands after it" not in run("usage", "--hom", "elsewhere").err


def test_a_limit_without_a_number_is_explained_by_the_options(run: Run) -> None:
    outcome = run("limits", "set")
    assert outcome.code == 2
    assert "give one of --requests, --tokens and --parallel at least" in outcome.err


@pytest.mark.parametrize("url", ["mysql://u:geheim@h/x", "nonsense", "postgresql://u:geheim@h:port/x"])
def test_an_invalid_database_url_is_a_wrong_setting_and_its_password_is_not_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("AQUILON_DATABASE_URL", url)
    for command in (["keys", "list"], ["backup"], ["doctor"], ["up"], ["restore", "x.tar"]):
        outcome = run(*command)
        assert outcome.code == 2
        assert "database_url" in outcome.err
        assert "geheim" not in outcome.err
        assert "bug" not in outcome.err


@pytest.mark.parametrize("text", ["port = \n", "[section\n", "\x00", "port 8080\n"])
def test_a_malformed_settings_file_is_named_and_is_a_wrong_setting(run: Run, home: Path, text: str) -> None:
    home.mkdir()
    (home / "aquilon.toml").write_text(text)
    for command in (["models", "list"], ["up"]):
        outcome = run(*command)
        assert outcome.code == 2
        assert f"{home / 'aquilon.toml'} isn't valid TOML" in outcome.err
        assert "bug" not in outcome.err


def test_a_binary_settings_file_is_named(run: Run, home: Path) -> None:
    home.mkdir()
    (home / "aquilon.toml").write_bytes("port = 1\n".encode("utf-16"))
    assert "aquilon.toml isn't UTF-8" in run("models", "list").err
    (home / "aquilon.toml").unlink()
    (home / "aquilon.toml").mkdir()
    outcome = run("models", "list")
    assert outcome.code in (0, 2)
    assert "bug" not in outcome.err


def test_a_settings_file_may_begin_with_a_byte_order_mark(run: Run, home: Path) -> None:
    home.mkdir()
    (home / "aquilon.toml").write_bytes(b"\xef\xbb\xbfport = 9399\r\n")
    assert run("models", "list").code == 0
    (home / "aquilon.toml").write_bytes(b"\xef\xbb\xbfport = 93990\r\n")
    assert "port is 93990" in run("models", "list").err  # it was read


def test_an_empty_database_url_means_the_database_in_the_home(
    run: Run, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AQUILON_DATABASE_URL", "")
    assert run("keys", "create", "--name", "a").code == 0
    assert run("backup").code == 0


def test_an_unreachable_database_is_reported_before_anything_starts(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_home(home)
    archive = tmp_path / "a.tar"
    assert run("backup", str(archive)).code == 0
    monkeypatch.setenv("AQUILON_DATABASE_URL", "postgresql://u:geheim@127.0.0.1:1/x")
    for command in (["keys", "list"], ["backup", str(tmp_path / "b.tar")], ["restore", str(archive)], ["doctor"]):
        outcome = run(*command)
        assert outcome.code == 1
        assert "u:***@127.0.0.1:1/x can't be used" in outcome.err + outcome.out
    monkeypatch.setenv("AQUILON_DATABASE_URL", f"sqlite:///{tmp_path}/gone/x.db")
    assert "there is no folder" in run("restore", str(archive)).err
    assert not (home / "restore-staged").exists()


def test_an_archive_that_is_not_there_or_has_no_room_is_not_called_damaged(run: Run, home: Path) -> None:
    assert "No such file" in run("restore", "gone.tar").err


@pytest.fixture
def started_home(home: Path) -> Path:
    """A home after its first start."""
    begin_home(home)
    return home


def test_huge_numbers_and_binary_keys_are_wrong_usage(run: Run, started_home: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00")
    upstream = ["upstreams", "add", "far", "http://127.0.0.1:1/v1", "--key-file", str(tmp_path / "key")]
    provider = ["sso", "add", "corp", "https://login.example.org", "--client-id", "a", "--secret-file"]
    for command in (
        ["budgets", "set", "9" * 30],
        ["keys", "create", "--name", "a", "--days", "9" * 30],
        upstream,
        [*provider, str(tmp_path / "key")],
    ):
        outcome = run(*command)
        assert outcome.code == 2, outcome
        assert "bug" not in outcome.err


def test_a_keys_limits_are_changed_one_by_one_and_lifted(run: Run, started_home: Path) -> None:
    limits = ["--model", "a", "--address", "192.0.2.7", "--days", "3"]
    key_id = json.loads(run("keys", "create", "--name", "ci", *limits, "--json").out)["id"]

    def limited(*changes: str) -> tuple[object, object, bool, list[str]]:
        key = json.loads(run("keys", "update", key_id, *changes, "--json").out)
        return key["allowed_models"], key["allowed_addresses"], key["expires_at"] is not None, key["scopes"]

    assert limited("--scope", "usage") == (["a"], ["192.0.2.7/32"], True, ["usage"])
    assert limited("--model", "") == (None, ["192.0.2.7/32"], True, ["usage"])
    assert limited("--address", "", "--days", "0") == (None, None, False, ["usage"])


def test_options_that_are_not_given_leave_an_upstream_s_model_unchanged(run: Run, started_home: Path) -> None:
    there = ["http://127.0.0.1:1/v1", "--model", "m=far", "--context", "100", "--weight", "0", "--can", "completions"]
    assert run("upstreams", "add", "spare", *there).code == 0
    changed = json.loads(run("upstreams", "models", "spare", "--model", "m", "--context", "200", "--json").out)
    facts = [(model["remote"], model["max_context"], model["weight"], model["capabilities"]) for model in changed]
    assert facts == [("far", 200, 0, ["completions"])]
