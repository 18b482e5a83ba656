"""The few calls of the OpenAI API that a conversation needs, streaming."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import httpx

from aquilon import __version__
from aquilon.cli.errors import CommandError

_TIMEOUT = httpx.Timeout(None, connect=10)
"""An answer has no time limit: Ctrl-C stops it."""


class ChatError(CommandError):
    """The server refused or broke off; the message is the server's where it sent one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Model:
    id: str
    parameters: int
    languages: tuple[str, ...]
    description: str


@dataclass
class Answer:
    """One answer, as far as it was received."""

    model: str
    _: KW_ONLY
    text: str = ""
    finish_reason: str | None = None
    """None if we stopped it, or the connection broke."""
    prompt_tokens: int | None = None
    completion_tokens: int = 0
    """The server's count, else one for each piece."""
    seconds_to_first: float | None = None
    seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float | None:
        """Speed from the first token on."""
        if self.seconds_to_first is None or self.completion_tokens < 2:
            return None
        writing = self.seconds - self.seconds_to_first
        return (self.completion_tokens - 1) / writing if writing > 0 else None


class ChatClient:
    """``url`` is the server's address, with or without ``/v1``. Raises ChatError for an invalid one."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        headers = {"user-agent": f"aquilon/{__version__}"}
        if key:
            if odd := [character for character in key if not "!" <= character <= "~"]:
                raise ChatError(f"The API key holds {odd[0]!a}: a key has letters, digits and signs of ASCII alone")
            headers["authorization"] = f"Bearer {key}"
        try:
            self._http = httpx.Client(base_url=f"{self.url}/v1", headers=headers, timeout=_TIMEOUT)
            if self._http.base_url.scheme not in ("http", "https"):
                raise httpx.InvalidURL("no scheme")
        except httpx.InvalidURL:
            raise ChatError(f"'{url}' is not a server's address: write http://HOST:PORT") from None

    def models(self) -> list[Model]:
        """The server's models that chat, its default first. Raises ChatError.

        All models are listed where the server doesn't report their capabilities.
        """
        try:
            response = self._http.get("/models")
        except httpx.HTTPError as error:
            raise ChatError(f"{self.url} can't be reached: {error}") from None
        _refuse(response, response.text)
        try:
            return [
                Model(
                    id=card["id"],
                    parameters=card.get("parameters") or 0,
                    languages=tuple(card.get("languages") or ()),
                    description=card.get("description") or "",
                )
                for card in response.json()["data"]
                if (card.get("capabilities") or {}).get("completion_chat", True)
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ChatError(f"{self.url} does not answer like an OpenAI-compatible server") from None

    def answer(
        self, model: str, messages: Sequence[dict[str, str]], *, options: dict[str, Any], answer: Answer
    ) -> Generator[str]:
        """Pieces of the answer as they come; ``answer`` is filled on the way. Closing the generator cancels the answer.

        Raises ChatError.
        """
        body = {"model": model, "messages": list(messages), "stream": True, "stream_options": {"include_usage": True}}
        started_at = time.monotonic()
        try:
            with self._http.stream("POST", "/chat/completions", json=body | options) as response:
                if not response.is_success:
                    _refuse(response, response.read().decode(errors="replace"))
                for event in _events(response):
                    answer.seconds = time.monotonic() - started_at
                    for piece in _pieces(event, answer):
                        if answer.seconds_to_first is None:
                            answer.seconds_to_first = answer.seconds
                        answer.text += piece
                        yield piece
        except httpx.HTTPError as error:
            raise ChatError(f"The connection to {self.url} broke: {error or type(error).__name__}") from None


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON objects of a server-sent event stream, until ``[DONE]``."""
    for line in response.iter_lines():
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            return
        try:
            event = json.loads(data)
        except ValueError:
            raise ChatError(f"The server sent something that is not JSON: {data[:120]}") from None
        if isinstance(event, dict):
            yield event


def _pieces(event: dict[str, Any], answer: Answer) -> Iterator[str]:
    """The event's text; its usage and finish reason are noted in ``answer``. Raises ChatError."""
    if event.get("error") or event.get("object") == "error":
        raise ChatError(_message(event))
    usage = event.get("usage")
    for choice in event.get("choices") or []:
        answer.finish_reason = choice.get("finish_reason") or answer.finish_reason
        piece = (choice.get("delta") or {}).get("content")
        if piece:
            if not usage:
                answer.completion_tokens += 1
            yield piece
    if usage:
        answer.prompt_tokens = usage.get("prompt_tokens")
        answer.completion_tokens = usage.get("completion_tokens") or answer.completion_tokens


def _refuse(response: httpx.Response, text: str) -> None:
    if response.is_success:
        return
    try:
        message = _message(json.loads(text))
    except ValueError:
        message = text[:200] or response.reason_phrase
    raise ChatError(f"{message} ({response.status_code})", response.status_code)


def _message(body: Any) -> str:
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        return str(error["message"])
    return str(error)[:200]
