"""The search before an answer from documents, and as many sources as the model's context has room for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aquilon.api.services import Services
from aquilon.conversations.footnotes import Footnotes
from aquilon.conversations.items import Item, MessageItem
from aquilon.errors import ApiError
from aquilon.generation.prepared import Bounded, Prepared, expected_tokens
from aquilon.libraries.retrieval import MOST_LIBRARIES, Question
from aquilon.libraries.sources import instruction
from aquilon.people.identity import Principal

_LEAST_ANSWER = 256
"""Tokens that sources leave to the answer, unless the client asks for fewer."""


async def found_sources(
    state: Services,
    caller: Principal,
    items: Sequence[Item],
    *,
    library_ids: Sequence[str],
    project_library_ids: Sequence[str] = (),
    question: Callable[[str], Question] = lambda text: Question(text=text),
) -> Footnotes | None:
    """What is found for the last message of the user; None without libraries. Raises ApiError as `Retrieval.search`.

    ``question``: how that message is searched for. ``project_library_ids``: those of the conversation's project, of
    which the ones are left out that are empty, expired, or not the caller's to see, and those beyond the most libraries
    of a search.
    """
    others = [id_ for id_ in project_library_ids if id_ not in library_ids]
    usable = await state.libraries.usable(caller, others[: max(0, MOST_LIBRARIES - len(library_ids))])
    library_ids = [*library_ids, *usable]
    if not library_ids:
        return None
    said = (item.text for item in reversed(items) if isinstance(item, MessageItem) and item.role == "user")
    text = next((text for text in said if text.strip()), "")
    if not text:
        return Footnotes(caller, state.embedder, None, [], [])
    found = await state.retrieval.search(caller, library_ids, question(text))
    model = await state.embedder.model() if found.means == "hybrid" else None
    return Footnotes(caller, state.embedder, model, [text[:1000]], found.hits)


async def prepare_with_sources(footnotes: Footnotes, prepare: Callable[[str | None], Awaitable[Prepared]]) -> Prepared:
    """Prepare a request with as many of the best sources as fit, and leave the others out. Raises ApiError."""
    while footnotes.hits:
        try:
            prepared = await prepare(instruction(footnotes.hits))
        except ApiError as error:
            if error.limit is None or error.limit.kind != "context_tokens":
                raise
        else:
            if _leaves_room(prepared):
                return prepared
        footnotes.hits = footnotes.hits[: len(footnotes.hits) * 2 // 3]
    return await prepare(instruction(()))


def _leaves_room(prepared: Prepared) -> bool:
    wanted = min(prepared.request.sampling.max_tokens or _LEAST_ANSWER, _LEAST_ANSWER)
    if isinstance(prepared, Bounded):
        return expected_tokens(prepared) + wanted <= prepared.card.max_context
    return prepared.most_tokens >= wanted
