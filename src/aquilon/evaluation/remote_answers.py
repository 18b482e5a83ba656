"""Answers of a model behind an API in OpenAI's dialect: this server's, or any upstream's."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import httpx

from aquilon.evaluation.answering import Drawing, NoAnswer
from aquilon.evaluation.prompting import Prompt
from aquilon.evaluation.protocol import PromptForm, RemoteCandidate

_TRIES = 6
_LONGEST_WAIT = 60.0
_SECONDS = 600.0
_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""
_OTHER_NAMES = {"max_tokens": "max_completion_tokens", "seed": "random_seed"}
"""Fields that some vendors know by another name."""


class RemoteAnswers:
    """One model behind an address."""

    def __init__(self, candidate: RemoteCandidate, *, form: PromptForm) -> None:
        """Raises NoAnswer if the variable with the key isn't set."""
        self.chat = form != "text"
        self._model = candidate.name
        self._url = candidate.url.rstrip("/")
        headers = {}
        if candidate.key_env is not None:
            key = os.environ.get(candidate.key_env)
            if not key:
                raise NoAnswer(f"the environment variable {candidate.key_env} is not set")
            headers["Authorization"] = f"Bearer {key}"
        self._client = httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(_SECONDS, connect=20))
        self._names: dict[str, str] = {}

    async def answer(self, prompt: Prompt, drawing: Drawing) -> str:
        fields: dict[str, Any] = {
            "max_tokens": drawing.max_tokens,
            "temperature": drawing.temperature,
            "top_p": drawing.top_p,
            "seed": drawing.seed,
        }
        if not self.chat:
            stop = list(drawing.stop[:4])  # OpenAI takes at most four
            choice = await self._choice("completions", fields | {"prompt": prompt.text, "stop": stop})
            text = choice.get("text")
            ends = [at for stop in drawing.stop if (at := str(text).find(stop)) >= 0]
            return str(text or "")[: min(ends, default=None)]
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        choice = await self._choice("chat/completions", fields | {"messages": messages})
        message = choice.get("message")
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        return str(content or "")

    async def log_likelihoods(self, context: str, continuations: Sequence[str]) -> list[float]:
        """By `echo` and log probabilities of the prompt, which few vendors offer."""
        prompts = [context + continuation for continuation in continuations]
        fields = {"prompt": prompts, "echo": True, "logprobs": 1, "max_tokens": 0, "temperature": 0}
        answer = await self._posted("completions", fields)
        try:
            choices = sorted(answer["choices"], key=lambda choice: choice["index"])
            scores = [
                _after(choice["logprobs"], len(context), len(prompt))
                for choice, prompt in zip(choices, prompts, strict=True)
            ]
        except (KeyError, TypeError, ValueError):
            raise NoAnswer(
                f"{self._url} gives no log probabilities of a prompt (echo with logprobs), which multiple choice needs"
            ) from None
        return scores

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _choice(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        answer = await self._posted(path, fields)
        choices = answer.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise NoAnswer(f"{self._url} answered without a choice: {str(answer)[:200]}")
        return choices[0]

    async def _posted(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        wait, problem = 1.0, ""
        for _ in range(_TRIES):
            body = {self._names.get(name, name): value for name, value in fields.items()} | {"model": self._model}
            try:
                response = await self._client.post(f"{self._url}/{path}", json=body)
            except httpx.HTTPError as error:
                problem = f"{self._url} can't be reached: {error or type(error).__name__}"
            else:
                if response.status_code == 200:
                    return _object(response, self._url)
                problem = f"{self._url} answered with status {response.status_code}: {response.text[:500]}"
                if response.status_code in (400, 422) and self._rename(response.text, body):
                    continue
                if response.status_code not in _BUSY:
                    break
                wait = max(wait, _retry_after(response))
            await asyncio.sleep(min(wait, _LONGEST_WAIT))
            wait *= 2
        raise NoAnswer(problem)

    def _rename(self, refusal: str, body: dict[str, Any]) -> bool:
        """Use the other name of a field that a refusal names, if there is one."""
        for name, other in _OTHER_NAMES.items():
            if name in body and name not in self._names and name in refusal:
                self._names[name] = other
                return True
        return False


def _after(logprobs: dict[str, Any], begin: int, end: int) -> float:
    """The sum over the tokens of which a part stands between two places of the text."""
    offsets = [*logprobs["text_offset"], end]
    scored = zip(offsets[:-1], offsets[1:], logprobs["token_logprobs"], strict=True)
    return sum(
        float(logprob) for start, stop, logprob in scored if stop > begin and start < end and logprob is not None
    )


def _object(response: httpx.Response, url: str) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise NoAnswer(f"{url} answered with something that is no JSON object: {response.text[:200]}")
    return answer


def _retry_after(response: httpx.Response) -> float:
    try:
        return float(response.headers.get("retry-after", 0))
    except ValueError:
        return 0.0
