"""Asks the operator's moderation to judge texts, and refuses prompts that it flags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from aquilon.errors import ApiError, invalid, not_found, overloaded
from aquilon.log import get_logger
from aquilon.request import ChatPrompt, FillPrompt, Prompt, TextPrompt
from aquilon.settings import Settings
from aquilon.text.guard import strings_in
from aquilon.upstreams.failures import UpstreamFailure, broken
from aquilon.upstreams.registry import UpstreamRegistry
from aquilon.upstreams.routing import in_turn
from aquilon.upstreams.upstream import Upstream, checked_base_url

if TYPE_CHECKING:
    from aquilon.upstreams.client import UpstreamClient

HOOK_SECONDS = 10.0
"""The longest wait for a verdict."""
_LONGEST_WORD = 32
"""Characters: a longer text in a template's variables is judged, as a message is."""

log = get_logger("aquilon.moderation")


class Verdict(msgspec.Struct, frozen=True):
    """The moderation's verdict on one text. Its categories are the moderation's own; scores go from 0 to 1."""

    categories: dict[str, bool | None] = {}
    category_scores: dict[str, float | None] = {}
    flagged: bool | None = None
    """None if the moderation sets categories only, as Mistral's models do."""

    @property
    def reasons(self) -> list[str]:
        return sorted(name for name, applies in self.categories.items() if applies)

    @property
    def is_flagged(self) -> bool:
        return bool(self.reasons) if self.flagged is None else self.flagged


class _Answer(msgspec.Struct, frozen=True):
    results: list[Verdict]
    model: str = ""


class Moderation:
    """Asks the operator's URL or an upstream's model; ``await close()`` at the end."""

    def __init__(self, settings: Settings, upstreams: UpstreamRegistry) -> None:
        """Raises ValueError if the settings have prompts checked and name no moderation."""
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
        """The name of the moderation and its verdict on each text.

        Raises ApiError: 404 where none is set up, 502 to 504 where it gives no answer.
        """
        if not self._configured:
            raise not_found(
                "This server has no moderation: its operator sets it up with AQUILON_MODERATION_URL or "
                "AQUILON_MODERATION_MODEL",
                code="moderation_not_configured",
            )
        first_error: ApiError | None = None
        for client, remote in self._clients():
            try:
                return await self._ask(client, remote, texts)
            except UpstreamFailure as failure:
                log.warning("Moderation failed", upstream=client.upstream.name, reason=str(failure))
                first_error = first_error or failure.answer
        raise first_error or overloaded(
            f"No upstream can be asked for the moderation model '{self._model}' now; try again in a moment",
            retry_after=5,
        )

    async def require_clean(self, prompt: Prompt) -> None:
        """If prompts are checked, raises ApiError: 400 for a flagged prompt, 503 if the moderation gives no answer."""
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

    def _clients(self) -> list[tuple[UpstreamClient, str]]:
        """The clients to ask, each with the model's name at its server."""
        if self._hook is None:
            return [(target.client, target.model.remote) for target in in_turn(self._upstreams.targets(self._model))]
        if self._client is None:
            from aquilon.upstreams.client import UpstreamClient  # aiohttp is loaded only if needed

            self._client = UpstreamClient(self._hook)
        return [(self._client, self._model)]

    async def _ask(self, client: UpstreamClient, remote: str, texts: Sequence[str]) -> tuple[str, list[Verdict]]:
        body = msgspec.json.encode({"input": list(texts)} | ({"model": remote} if remote else {}))
        response = await client.post("moderations", body, model=self._model, remote=remote, seconds=HOOK_SECONDS)
        data = await client.read_body(response, HOOK_SECONDS)
        try:
            answer = msgspec.json.decode(data, type=_Answer)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise broken(f"sent verdicts that can't be read: {error}") from None
        if len(answer.results) != len(texts):
            raise broken(f"sent {len(answer.results)} verdicts on {len(texts)} texts")
        return self._model or answer.model or "moderation", answer.results


def _texts(prompt: Prompt) -> list[str]:
    """The texts that people wrote in a prompt, not the assistant's messages. Raises ApiError 400 for token ids."""
    if isinstance(prompt, ChatPrompt):
        texts = [message.content for message in prompt.messages if message.role != "assistant"]
        variables = strings_in(prompt.template_variables)
        texts.append("\n".join(text for text in variables if len(text) > _LONGEST_WORD))
    elif isinstance(prompt, FillPrompt):
        texts = [prompt.prefix, prompt.suffix]
    elif isinstance(prompt, TextPrompt):
        texts = [prompt.text]
    else:
        raise invalid(
            "This server checks prompts, and can't check token ids: send text",
            param="prompt",
            code="token_ids_unsupported",
        )
    return [text for text in texts if text.strip()]
