"""Messages become items and messages again, unchanged."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aquilon.conversations.items import (
    CompactionItem,
    Item,
    MessageItem,
    OtherItem,
    ReasoningItem,
    Text,
    decoded,
    encoded,
)
from aquilon.conversations.messages import items_of, messages_of
from aquilon.text.messages import FunctionCall, ImagePart, Message, SignedThoughts, TextPart, ToolCall

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
MORE = st.dictionaries(TEXT, TEXT, max_size=1)
PARTS = st.lists(TEXT, min_size=1, max_size=3).map(
    lambda texts: (*(TextPart(text) for text in texts), ImagePart("https://example.org/a.png", "low"))
)


def with_parts(role: Any) -> Any:
    return PARTS.map(
        lambda parts: Message(role, "\n".join(part.text for part in parts if isinstance(part, TextPart)), parts=parts)
    )


ASKED = st.one_of(
    st.builds(Message, st.sampled_from(["system", "user"]), TEXT, st.none() | TEXT, more=MORE), with_parts("user")
)
CALL = st.builds(ToolCall, TEXT, st.builds(FunctionCall, TEXT, st.just("{}")), MORE)
ANSWER = st.one_of(
    st.builds(lambda text, more: Message("assistant", text, more=more), TEXT, MORE),
    st.builds(lambda text, thoughts: Message("assistant", text, reasoning=thoughts), TEXT, TEXT),
    st.builds(
        lambda text, thoughts, signature: Message(
            "assistant",
            text,
            reasoning="\n".join(thoughts),
            signed_thoughts=tuple(SignedThoughts(thought, signature) for thought in thoughts),
        ),
        TEXT,
        st.lists(TEXT, min_size=1, max_size=2),
        TEXT,
    ),
    st.builds(
        lambda text, calls: Message("assistant", text, tool_calls=tuple(calls)),
        st.just("") | TEXT,
        st.lists(CALL, min_size=1, max_size=2),
    ),
)
TURNS = st.lists(st.tuples(ASKED, ANSWER), max_size=4)


@given(TURNS)
def test_messages_survive_as_items(turns: list[tuple[Message, Message]]) -> None:
    messages = [message for turn in turns for message in turn]
    items = [decoded(encoded(item)) for item in items_of(messages)]
    assert messages_of(items) == messages


def test_the_output_of_a_call_has_the_name_of_its_function() -> None:
    call = Message("assistant", "", tool_calls=(ToolCall("c1", FunctionCall("look_up", "{}")),))
    output = Message("tool", "noon", tool_call_id="c1", failed=True)
    [*_, again] = messages_of(items_of([call, output]))
    assert (again.name, again.content, again.tool_call_id, again.failed) == ("look_up", "noon", "c1", True)


def test_a_summary_stands_for_all_before_it_and_what_no_model_reads_is_left_out() -> None:
    items: list[Item] = [
        MessageItem("user", (Text("long ago"),)),
        ReasoningItem("hm"),
        CompactionItem("They met."),
        OtherItem("web_search", {"query": "x"}),
        MessageItem("developer", (Text("Be brief"),)),
    ]
    summary, last = messages_of(items)
    assert ("They met." in summary.content, summary.role) == (True, "user")
    assert (last.role, last.content) == ("system", "Be brief")
