"""What is asked of the operator's moderation, and what follows from its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import structlog

from aquilon.errors import ApiError, invalid, not_found, overloaded
from aquilon.request import ChatPrompt, FillPrompt, Prompt, TextPrompt
from aquilon.settings import Settings
from aquilon.upstreams.failures import UpstreamFailure, broken
from aquilon.upstreams.registry import UpstreamRegistry
from aquilon.upstreams.routing import in_turn
from aquilon.upstreams.upstream import Upstream, checked_base_url

if TYPE_CHECKING:
    from aquilon.upstreams.client import UpstreamClient

HOOK_SECONDS = 10.0
"""A verdict that takes longer is none."""

log = structlog.get_logger("aquilon.moderation")


class Verdict(msgspec.Struct, frozen=True):
    """On one text. The categories are those of whoever judged; scores go from 0 to 1."""

    categories: dict[str, bool | None] = {}
    category_scores: dict[str, float | None] = {}
    flagged: bool | None = None
    """None where whoever judged says it by the categories alone, as Mistral's models do."""

    @property
    def reasons(self) -> list[str]:
        return sorted(name for name, found in self.categories.items() if found)

    @property
    def is_flagged(self) -> bool:
        return bool(self.reasons) if self.flagged is None else self.flagged


class _Answer(msgspec.Struct, frozen=True):
    results: list[Verdict]
    model: str = ""


class Moderation:
    """``await close()`` in the end."""

    def __init__(self, settings: Settings, upstreams: UpstreamRegistry) -> None:
        """Raises ValueError where the settings name no place to ask."""
        self._model = settings.moderation_model or ""
        self._prompts = settings.moderation_prompts
        self._upstreams = upstreams
        self._hook: Upstream | None = None
        self._client: UpstreamClient | None = None
        if settings.moderation_url is not None:
            key = settings.moderation_key
            self._hook = Upstream(
                id="moderation",
                name="moderation",
                kind="openai",
                base_url=checked_base_url(settings.moderation_url),
                api_key=None if key is None else key.get_secret_value(),
                private=True,
            )
        if self._prompts and not self._configured:
            raise ValueError(
                "AQUILON_MODERATION_PROMPTS needs AQUILON_MODERATION_URL, or an upstream's model in "
                "AQUILON_MODERATION_MODEL"
            )

    @property
    def _configured(self) -> bool:
        return self._hook is not None or bool(self._model)

    async def judge(self, texts: Sequence[str]) -> tuple[str, list[Verdict]]:
        """Who judged, and a verdict a text. Raises ApiError: 404 where nobody does, 502 to 504 without an answer."""
        if not self._configured:
            raise not_found(
                "This server has no moderation: its operator sets it up with AQUILON_MODERATION_URL or "
                "AQUILON_MODERATION_MODEL",
                code="moderation_not_configured",
            )
        failed: ApiError | None = None
        for client, remote in self._places():
            try:
                return await self._ask(client, remote, texts)
            except UpstreamFailure as failure:
                log.warning("Moderation failed", upstream=client.upstream.name, reason=str(failure))
                failed = failed or failure.answer
        raise failed or overloaded("The upstream that moderates can't be asked now", retry_after=5)

    async def require_clean(self, prompt: Prompt) -> None:
        """Where prompts are checked: raises ApiError 400 for one that is flagged, 503 where that can't be known."""
        if not self._prompts:
            return
        texts = _texts(prompt)
        if not texts:
            return
        try:
            _, verdicts = await self.judge(texts)
        except ApiError as error:
            raise overloaded(
                "The prompt can't be checked by this server's moderation now, so it isn't answered",
                retry_after=5,
                code="moderation_unavailable",
            ) from error
        flagged = [verdict for verdict in verdicts if verdict.is_flagged]
        if flagged:
            reasons = ", ".join(sorted({reason for verdict in flagged for reason in verdict.reasons}))
            raise invalid(
                f"This server's moderation refused the prompt{': ' + reasons[:500] if reasons else ''}",
                code="content_filter",
            )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    def _places(self) -> list[tuple[UpstreamClient, str]]:
        """Whom to ask, with the model's name there."""
        if self._hook is None:
            return [(target.client, target.model.remote) for target in in_turn(self._upstreams.targets(self._model))]
        if self._client is None:
            from aquilon.upstreams.client import UpstreamClient  # aiohttp: only where it is asked

            self._client = UpstreamClient(self._hook)
        return [(self._client, self._model)]

    async def _ask(self, client: UpstreamClient, remote: str, texts: Sequence[str]) -> tuple[str, list[Verdict]]:
        body = msgspec.json.encode({"input": list(texts)} | ({"model": remote} if remote else {}))
        response = await client.post("moderations", body, model=self._model, remote=remote, seconds=HOOK_SECONDS)
        data = await client.whole(response, HOOK_SECONDS)
        try:
            answer = msgspec.json.decode(data, type=_Answer)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise broken(f"sent what are no verdicts: {error}") from None
        if len(answer.results) != len(texts):
            raise broken(f"sent {len(answer.results)} verdicts on {len(texts)} texts")
        return self._model or answer.model or "moderation", answer.results


def _texts(prompt: Prompt) -> list[str]:
    """What people wrote in it; the assistant's own words are not judged again. Raises ApiError 400 for token ids."""
    if isinstance(prompt, ChatPrompt):
        texts = [message.content for message in prompt.messages if message.role != "assistant"]
    elif isinstance(prompt, FillPrompt):
        texts = [prompt.prefix, prompt.suffix]
    elif isinstance(prompt, TextPrompt):
        texts = [prompt.text]
    else:
        raise invalid("This server checks prompts, and can't check token ids: send text", param="prompt")
    return [text for text in texts if text.strip()]
