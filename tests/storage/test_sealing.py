"""Sealed secrets: only the same key opens them, and the error for a lost key says what to do."""

from __future__ import annotations

import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aquilon.settings import Settings
from aquilon.storage.sealing import KEY_FILE, Sealer, SealError

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(range(1, 33))).decode()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_a_sealed_secret_can_be_opened_and_is_not_readable(settings: Settings) -> None:
    sealer = Sealer.of(settings)
    sealed = sealer.seal("sk-très secret")
    assert Sealer.of(settings).open(sealed) == "sk-très secret"
    assert "secret" not in sealed
    assert sealer.seal("sk-très secret") != sealed


def test_the_key_file_is_created_at_the_first_sealing_and_is_private(settings: Settings) -> None:
    sealer = Sealer.of(settings)
    file = settings.home / KEY_FILE
    assert not file.exists()
    sealer.seal("x")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = file.read_text()
    Sealer.of(settings).seal("y")
    assert file.read_text() == key
    assert os.listdir(settings.home) == [KEY_FILE]


def test_processes_that_seal_at_the_same_moment_share_one_key(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as threads:
        sealed = list(threads.map(lambda _: Sealer.of(settings).seal("x"), range(32)))
    assert {Sealer.of(settings).open(secret) for secret in sealed} == {"x"}


def test_the_key_in_the_environment_is_used_instead_of_the_file(settings: Settings) -> None:
    sealer = Sealer.of(Settings(home=settings.home, secret_key=KEY))
    sealed = sealer.seal("x")
    assert not (settings.home / KEY_FILE).exists()
    assert sealer.open(sealed) == "x"
    assert KEY not in repr(Settings(home=settings.home, secret_key=KEY))


def test_the_error_for_a_wrong_key_names_both_keys_and_what_to_do(settings: Settings) -> None:
    sealed = Sealer.of(Settings(home=settings.home, secret_key=KEY)).seal("x")
    with pytest.raises(SealError, match=r"sealed with key [0-9a-f]{12}, and AQUILON_SECRET_KEY is key .* former key"):
        Sealer.of(Settings(home=settings.home, secret_key=OTHER)).open(sealed)


def test_a_lost_key_is_reported_and_not_replaced(settings: Settings) -> None:
    sealer = Sealer.of(settings)
    sealed = sealer.seal("x")
    (settings.home / KEY_FILE).unlink()
    with pytest.raises(SealError, match=r"key that is gone: put .*secret-key back from a backup"):
        sealer.open(sealed)
    assert not (settings.home / KEY_FILE).exists()


@pytest.mark.parametrize("damaged", ["", "x", "a.b.c.d.e"])
def test_a_malformed_sealed_secret_is_reported(settings: Settings, damaged: str) -> None:
    sealer = Sealer.of(settings)
    sealer.seal("x")
    with pytest.raises(SealError, match="damaged"):
        sealer.open(damaged)


def test_a_changed_letter_in_a_sealed_secret_is_noticed(settings: Settings) -> None:
    sealer = Sealer.of(settings)
    sealed = sealer.seal("x" * 40)
    head, _, rest = sealed.partition("..")
    iv, ciphertext, tag = rest.split(".")
    changed = ciphertext[:5] + ("A" if ciphertext[5] != "A" else "B") + ciphertext[6:]
    with pytest.raises(SealError, match="damaged"):
        sealer.open(f"{head}..{iv}.{changed}.{tag}")


@pytest.mark.parametrize("key", ["", "short", KEY[:-4], "ß" * 43])
def test_an_invalid_key_is_refused_with_the_command_that_makes_one(settings: Settings, key: str) -> None:
    with pytest.raises(SealError, match="openssl rand -base64 32"):
        Sealer.of(Settings(home=settings.home, secret_key=key))
