"""E-mails: who wrote to whom, when, the text, and the names of what is attached."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

from aquilon.extraction.cleaning import one_line
from aquilon.extraction.html import add_html
from aquilon.extraction.plain import add_paragraphs, decoded
from aquilon.extraction.reading import Reading

_FIELDS = ("From", "To", "Cc", "Date")
_MOST_ATTACHMENTS = 500
_MOST_FIELD_CHARACTERS = 2_000
_LEAST_PLAIN_SHARE = 0.2
"""Of the HTML's length without its tags: a shorter plain text says only that there is HTML."""


def read_mail(path: Path, reading: Reading) -> None:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    _add_message(message, reading, level=1)


def _add_message(message: EmailMessage, reading: Reading, *, level: int) -> None:
    if subject := _field(message, "Subject"):
        if level == 1:
            reading.title = subject
        reading.heading(subject, level)
    reading.paragraph("\n".join(f"{name}: {value}" for name in _FIELDS if (value := _field(message, name))))
    _add_body(message, reading)
    for number, attached in enumerate(message.iter_attachments()):
        if number == _MOST_ATTACHMENTS:
            reading.note("truncated")
            break
        assert isinstance(attached, EmailMessage)
        name = one_line(attached.get_filename() or "without a name")[:300]
        reading.item(f"Attachment: {name} ({attached.get_content_type()})")
    reading.end_list()


def _field(message: EmailMessage, name: str) -> str:
    """Decoded; empty where it is missing or can't be parsed."""
    try:
        return one_line(str(message.get(name, "")))[:_MOST_FIELD_CHARACTERS]
    except (ValueError, IndexError, AttributeError, TypeError):  # which Python's parser raises for malformed fields
        return ""


def _add_body(message: EmailMessage, reading: Reading) -> None:
    """The plain text if it says as much as the HTML."""
    plain, html = (_body(message, kind, reading) for kind in ("plain", "html"))
    if html is None or (plain is not None and len(plain.split()) >= _LEAST_PLAIN_SHARE * _words(html)):
        if plain is not None:
            add_paragraphs(plain, reading)
    else:
        add_html(html, reading, titled=False)


def _words(html: str) -> int:
    from lxml.html import document_fromstring

    root = document_fromstring(f"<html>{html}</html>".encode())
    for dropped in list(root.iter("script", "style", "head")):
        dropped.drop_tree()
    return len(root.text_content().split())


def _body(message: EmailMessage, kind: str, reading: Reading) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return None
    return decoded(payload, reading, declared=part.get_content_charset()) if payload.strip() else None
