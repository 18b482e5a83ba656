"""Personal data in a text, replaced by what kind of thing stood there."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

_EMAIL = re.compile(r"(?<![\w.+%-])[^\W_][\w.+%-]{0,63}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}\b")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ \u00a0]?[A-Z0-9]{4}){2,7}(?:[ \u00a0]?[A-Z0-9]{1,3})?\b")
_SPACE = r"[ \u00a0\u202f]"
_GAP = r"[ \u00a0\u202f./-]"
_PHONE = re.compile(
    rf"(?<![\w+.,/-])(?:"
    rf"(?:\+|00)[1-9](?:(?:{_GAP}|[()]){{0,3}}\d){{7,14}}"  # +33 1 23 45 67 89, +49 (0)30 901820
    rf"|0[1-9](?:{_GAP}\d\d){{4}}"  # 01 23 45 67 89
    rf"|\(?0\d{{2,5}}\)?(?:{_SPACE}?[/-]{_SPACE}?|{_SPACE})\d{{3,8}}(?:[ \u00a0\u202f-]\d{{1,5}}){{0,2}}"  # 030 901820
    rf"|[6789]\d\d(?:{_GAP}\d{{3}}){{2}}"  # 612 345 678
    rf"|3\d\d{_GAP}\d{{6,7}}"  # 347 1234567
    rf")(?![\w.,/-]?\d)"
)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]?\d)")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_LEAST_DIGITS, _MOST_DIGITS = 9, 15


def _is_iban(text: str) -> bool:
    """ISO 13616's check digits."""
    plain = re.sub(r"\s", "", text)
    digits = "".join(str(int(character, 36)) for character in plain[4:] + plain[:4])
    return 15 <= len(plain) <= 34 and int(digits) % 97 == 1


def _is_phone(text: str) -> bool:
    return _LEAST_DIGITS <= sum(character.isdigit() for character in text) <= _MOST_DIGITS


def _is_public_address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("[EMAIL]", _EMAIL, lambda text: True),
    ("[IBAN]", _IBAN, _is_iban),
    ("[IP]", _IPV4, _is_public_address),
    ("[IP]", _IPV6, _is_public_address),
    ("[PHONE]", _PHONE, _is_phone),
)


def without_personal_data(text: str) -> tuple[str, dict[str, int]]:
    """The text with e-mail addresses, IBANs, phone numbers and public IP addresses replaced, and how many of each."""
    counts: dict[str, int] = {}
    for placeholder, pattern, is_meant in _KINDS:

        def replaced(
            match: re.Match[str], placeholder: str = placeholder, is_meant: Callable[[str], bool] = is_meant
        ) -> str:
            if not is_meant(match.group()):
                return match.group()
            counts[placeholder] = counts.get(placeholder, 0) + 1
            return placeholder

        text = pattern.sub(replaced, text)
    return text, counts
