"""Secrets that the server must be able to read again (an upstream's key, an OIDC client's secret), encrypted at rest.

A sealed secret is a JSON Web Encryption in compact form (RFC 7516), direct encryption
with AES-256-GCM; its ``kid`` names the key, so that an error can say which key is needed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import tempfile
from pathlib import Path

import msgspec

from aquilon.settings import Settings

KEY_FILE = "secret-key"
"""A file in the home, readable by its owner alone; created when the first secret is sealed."""
KEY_BYTES = 32

_ALGORITHMS = ["dir", "A256GCM"]


class _Header(msgspec.Struct, frozen=True):
    kid: str | None = None


class SealError(RuntimeError):
    """A secret can't be sealed or opened; the message says what the operator can do."""


class Sealer:
    """``Sealer.of(settings)``: seals with ``AQUILON_SECRET_KEY``, else with the key in the home's `KEY_FILE`."""

    def __init__(self, file: Path, key: bytes | None = None) -> None:
        self._file = file
        self._key = key

    @classmethod
    def of(cls, settings: Settings) -> Sealer:
        """Raises SealError if ``AQUILON_SECRET_KEY`` is not a key."""
        setting = settings.secret_key
        key = None if setting is None else _decoded(setting.get_secret_value(), "AQUILON_SECRET_KEY")
        return cls(settings.home / KEY_FILE, key)

    def seal(self, text: str) -> str:
        """The sealed text, ASCII without spaces. Raises SealError if there is no key and none can be created."""
        key = self._key or self._read() or self._make()
        from joserfc import jwe  # it and cryptography take 9 MB: they are loaded only where there is a secret
        from joserfc.jwk import OctKey

        header = {"alg": "dir", "enc": "A256GCM", "kid": _name(key)}
        return jwe.encrypt_compact(header, text.encode(), OctKey.import_key(key), algorithms=_ALGORITHMS)

    def open(self, sealed: str) -> str:
        """The text that was sealed. Raises SealError if the key is missing or wrong, or the text was changed."""
        key = self._key or self._read()
        if key is None:
            raise SealError(
                f"A secret in the database was sealed with a key that is gone: put {self._file} back from a backup, "
                "set AQUILON_SECRET_KEY to the key, or enter the secret again"
            )
        from joserfc import jwe
        from joserfc.errors import JoseError
        from joserfc.jwk import OctKey

        try:
            decrypted = jwe.decrypt_compact(sealed, OctKey.import_key(key), algorithms=_ALGORITHMS)
            return (decrypted.plaintext or b"").decode()
        except (JoseError, ValueError) as error:
            raise SealError(self._reason(sealed, key)) from error

    def _reason(self, sealed: str, key: bytes) -> str:
        source = "AQUILON_SECRET_KEY" if self._key is not None else str(self._file)
        sealed_with = _key_name(sealed)
        if sealed_with is not None and sealed_with != _name(key):
            return (
                f"A secret in the database was sealed with key {sealed_with}, and {source} is key {_name(key)}: put "
                "the former key back (it belongs to the database's backup), or enter the secret again"
            )
        return "A secret in the database is damaged: enter it again"

    def _read(self) -> bytes | None:
        try:
            return _decoded(self._file.read_text(encoding="utf-8-sig").strip(), str(self._file))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SealError(f"The key that seals secrets can't be read: {error}") from error

    def _make(self) -> bytes:
        """Create the key file. If another process does so at the same moment, both use the same one of the two keys."""
        key = secrets.token_bytes(KEY_BYTES)
        try:
            descriptor, part = tempfile.mkstemp(dir=self._file.parent, prefix=f"{KEY_FILE}.")  # with mode 0600
            with os.fdopen(descriptor, "w") as file:
                file.write(base64.urlsafe_b64encode(key).decode() + "\n")
                file.flush()
                os.fsync(descriptor)
            try:
                os.link(part, self._file)
            except FileExistsError:
                return self._read() or key
            finally:
                os.unlink(part)
        except OSError as error:
            raise SealError(f"The key that seals secrets can't be written to {self._file}: {error}") from error
        return key


def _decoded(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/") + "=" * (-len(text.strip()) % 4))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise SealError(
            f"{source} is not a key: it must be {KEY_BYTES} random bytes in base64, as `openssl rand -base64 32` prints"
        )
    return key


def _name(key: bytes) -> str:
    """A name for the key that reveals nothing about it."""
    return hashlib.sha256(b"aquilon secret key " + key).hexdigest()[:12]


def _key_name(sealed: str) -> str | None:
    head = sealed.partition(".")[0]
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)), type=_Header).kid
    except (msgspec.MsgspecError, ValueError):
        return None
