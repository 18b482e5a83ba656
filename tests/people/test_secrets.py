from __future__ import annotations

import re

from aquilon.people.secrets import fingerprint, looks_like_api_key, new_api_key, new_token, readable_prefix


def test_a_key_is_aq_and_43_base62_characters() -> None:
    keys = {new_api_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert re.fullmatch(r"aq-[0-9A-Za-z]{43}", key)
        assert looks_like_api_key(key)
        assert key.startswith(readable_prefix(key))
        assert len(readable_prefix(key)) < 12


def test_a_malformed_key_is_recognized_without_the_database() -> None:
    for text in (
        "",
        "aq-",
        "aq-" + "a" * 42,
        "aq-" + "a" * 44,
        "sk-" + "a" * 43,
        "aq-" + "é" * 43,
        "aq-" + "a" * 43 + "\n",
    ):
        assert not looks_like_api_key(text)


def test_tokens_have_256_bits_and_are_safe_in_a_link() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", new_token())


def test_fingerprints_are_sha256() -> None:
    assert fingerprint("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(fingerprint("\ud800")) == 64
