"""The secrets that the server issues: API keys, login tokens, session ids.

Each has at least 250 random bits, is shown once and stored only as SHA-256: a slow
hash would add nothing to that much entropy.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import time

API_KEY_PREFIX = "aq-"
API_KEY_CHARACTERS = 43
READABLE_PREFIX_CHARACTERS = 10
"""The part of a key that is stored in the clear, so that its owner can tell keys apart: ``aq-`` and 7 characters."""

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_API_KEY = re.compile(rf"{API_KEY_PREFIX}[0-9A-Za-z]{{{API_KEY_CHARACTERS}}}")


def new_api_key() -> str:
    return API_KEY_PREFIX + "".join(secrets.choice(_BASE62) for _ in range(API_KEY_CHARACTERS))


def looks_like_api_key(text: str) -> bool:
    return _API_KEY.fullmatch(text) is not None


def readable_prefix(api_key: str) -> str:
    return api_key[:READABLE_PREFIX_CHARACTERS]


def new_token() -> str:
    """A login token or session id: 256 bits, safe in a URL and in a cookie."""
    return secrets.token_urlsafe(32)


def new_id(kind: str) -> str:
    """An identifier such as ``user_019a…``: the milliseconds since 1970, so that older ids sort first, and 64
    random bits.

    It is not a secret, but can't be guessed either.
    """
    return f"{kind}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


def fingerprint(secret: str) -> str:
    """The secret's SHA-256, which is stored in its place."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
