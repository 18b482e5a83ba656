"""The files of three programs, as trees; and files that are none."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aquilon.conversations.items import MessageItem, ReasoningItem
from aquilon.conversations.transfer.imports.files import conversations_of, read, unpacked
from aquilon.conversations.transfer.imports.tree import Tree
from aquilon.errors import ApiError

FOLDER = Path(__file__).parent / "exports_of_others"


def trees(data: bytes) -> list[Tree | str]:
    """Each conversation's tree, or the code of its refusal."""
    results: list[Tree | str] = []
    for file in unpacked(data):
        for position, raw in enumerate(conversations_of(file)):
            conversation = read(raw, position)
            assert (conversation.tree is None) == (conversation.refused is not None)
            results.append(conversation.tree or conversation.refused.code)  # type: ignore[union-attr]
    return results


def texts(tree: Tree) -> list[tuple[str, str | None, str, str]]:
    """Of each node: its id, its parent, who speaks, what."""
    lines = []
    for node in tree.nodes:
        assert isinstance(node.item, MessageItem | ReasoningItem)
        speaker = node.item.role if isinstance(node.item, MessageItem) else "thoughts"
        lines.append((node.id, node.parent_id, speaker, node.item.text))
    return lines


def refusal(data: bytes) -> tuple[int, str | None]:
    with pytest.raises(ApiError) as raised:
        trees(data)
    return raised.value.status, raised.value.code


def test_chatgpt_s_export_keeps_branches_thoughts_models_and_times_and_no_hidden_node() -> None:
    tree, circle = trees((FOLDER / "chatgpt.json").read_bytes())
    assert isinstance(tree, Tree)
    assert circle == "circle"
    assert texts(tree) == [
        ("question", None, "user", "Green or black?"),
        ("answer", "question", "assistant", "Green."),
        ("question2", None, "user", "[image]\nAnd this cup?"),
        ("thoughts", "question2", "thoughts", "A cup is shown."),
        ("answer2", "thoughts", "assistant", "A blue cup."),
    ]
    assert tree.title == "Tea <b>green</b> or black"
    assert (tree.created_at, tree.updated_at, tree.head) == (1699564800, 1699568400, "answer2")
    assert [node.created_at for node in tree.nodes] == [1699564801, 1699564810, 1699565000, 1699565001, 1699565003]
    assert tree.models == {"answer": "gpt-4", "thoughts": "o3"}
    assert [node.answer for node in tree.nodes] == [None, "answer", None, "thoughts", "thoughts"]
    assert [node.complete for node in tree.nodes] == [True, True, True, True, False]


def test_chatgpt_s_marks_of_sources_become_its_links_or_go() -> None:
    cited, hidden = "\ue200cite\ue202turn0search0\ue201", "\ue200navlist\ue202News\ue201"
    text = f"Tea comes from China. {cited}{hidden} It is old.【4†source】 『Tea』【x】"
    references = [{"matched_text": cited, "alt": "([Tea](https://tea.example/))"}, {"matched_text": 1}, None]

    def node(role: str, parent: str | None, metadata: Any) -> Any:
        content = {"content_type": "text", "parts": [text]}
        return {"message": {"author": {"role": role}, "content": content, "metadata": metadata}, "parent": parent}

    mapping = {"a": node("user", None, {}), "b": node("assistant", "a", {"content_references": references})}
    mapping["c"] = node("assistant", "a", {"content_references": "none"})
    [tree] = trees(json.dumps([{"mapping": mapping}]).encode())
    assert isinstance(tree, Tree)
    assert [line[3] for line in texts(tree)] == [
        text,
        "Tea comes from China. ([Tea](https://tea.example/)) It is old. 『Tea』【x】",
        "Tea comes from China.  It is old. 『Tea』【x】",
    ]


def test_open_webui_s_export_keeps_the_order_of_answers_and_takes_thoughts_out_of_their_text() -> None:
    [tree] = trees((FOLDER / "open_webui.json").read_bytes())
    assert isinstance(tree, Tree)
    thoughts = "m3\nthoughts"
    assert texts(tree) == [
        ("m1", None, "user", "[winds.pdf]\nWhich wind is cold?"),
        (thoughts, "m1", "thoughts", "Boreas, that is.\nOr Aquilo."),
        ("m3", thoughts, "assistant", "Aquilo."),
        ("m4", "m3", "user", "Thanks"),
        ("m2", "m1", "assistant", "The north wind."),
        ("lost", None, "user", "Whose child am I?"),
    ]
    assert (tree.title, tree.head, tree.detached) == ("Winds", "m4", 1)
    assert tree.models == {"m2": "llama3:8b", "m3": "qwen3:4b"}


def test_open_webui_s_thoughts_and_text_are_found_in_an_answer_s_output() -> None:
    """As 0.12 writes them: ``content`` has the text alone, or nothing where an answer came from ``/v1/responses``."""

    def output(kind: str, *texts: str) -> dict[str, object]:
        return {
            "type": kind,
            "status": "completed",
            "content": [{"type": "output_text", "text": text} for text in texts],
        }

    call = {"type": "function_call", "name": "search", "arguments": "{}", "call_id": "c1"}
    answers = [
        {"content": "Aquilo.", "output": [output("reasoning", "Boreas, ", "that is."), output("message", "Aquilo.")]},
        {
            "content": "",
            "output": [output("reasoning", "Hm."), call, output("reasoning", "So."), output("message", "A."), 7],
        },
        {"content": "", "output": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Short."}]}]},
        {"content": "Plain.", "output": []},
        {"content": "Plain.", "output": {"not": "a list"}},
    ]
    messages = {
        f"m{number}": {"role": "assistant", "parentId": None, "childrenIds": [], "done": True, **answer}
        for number, answer in enumerate(answers)
    }
    [tree] = trees(json.dumps([{"title": "Winds", "chat": {"history": {"messages": messages}}}]).encode())
    assert isinstance(tree, Tree)
    assert [line[2:] for line in texts(tree)] == [
        ("thoughts", "Boreas, that is."),
        ("assistant", "Aquilo."),
        ("thoughts", "Hm.\nSo."),
        ("assistant", "A."),
        ("thoughts", "Short."),
        ("assistant", ""),
        ("assistant", "Plain."),
        ("assistant", "Plain."),
    ]


def test_chatgpt_s_archive_is_read_as_its_file() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("user.json", "{}")
        archive.write(FOLDER / "chatgpt.json", "conversations.json")
    assert trees(buffer.getvalue()) == trees((FOLDER / "chatgpt.json").read_bytes())


def test_an_archive_that_unpacks_to_too_much_is_refused_without_unpacking_it_all() -> None:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("conversations.json", "w") as file,
    ):
        for _ in range(101):
            file.write(b"[" * 2**20)
    assert refusal(buffer.getvalue()) == (413, "too_large")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b'"text"',
        b"{}",
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"format": "other", "version": 1, "conversations": []}',
        b"PK\x03\x04 broken",
    ],
)
def test_what_is_no_export_is_refused(data: bytes) -> None:
    assert refusal(data) == (400, "unknown_format")


def test_a_later_version_is_refused_by_its_number() -> None:
    assert refusal(b'{"format": "aquilon.conversations", "version": 2, "conversations": []}') == (
        400,
        "unknown_version",
    )


@pytest.mark.parametrize(
    ("conversation", "code"),
    [
        ({}, "unknown_format"),
        (1, "wrong_shape"),
        ({"mapping": []}, "wrong_shape"),
        ({"mapping": {"a": {"parent": "a"}}}, "circle"),
        ({"chat": {"history": {"messages": {"a": {"parentId": "b"}, "b": {"parentId": "a"}}}}}, "circle"),
        ({"items": [{"id": "a", "parent_id": None, "content": {"type": "spell"}}]}, "wrong_shape"),
        (
            {"items": [{"id": "a", "parent_id": None, "content": {"type": "compaction", "summary": "s"}}] * 2},
            "repeated_id",
        ),
    ],
)
def test_one_damaged_conversation_is_skipped_alone(conversation: Any, code: str) -> None:
    good = {"chat": {"history": {"messages": {"a": {"role": "user", "content": "x"}}}}}
    first, second = trees(json.dumps([conversation, good]).encode())
    assert first == code
    assert isinstance(second, Tree)


def test_deep_json_inside_a_file_is_refused() -> None:
    deep = b'{"items": [], "more": ' + b"[" * 90_000 + b"]" * 90_000 + b"}"
    assert refusal(b"[" + deep + b"]") == (400, "unknown_format")


def test_5_000_messages_and_one_of_a_megabyte_are_read() -> None:
    items = [
        {"id": str(number), "parent_id": str(number - 1) if number else None, "content": _text("x")}
        for number in range(5000)
    ]
    items[7]["content"] = _text("\x00\x1b" + "y" * 2**20)
    [tree] = trees(json.dumps([{"items": items}]).encode())
    assert isinstance(tree, Tree)
    assert len(tree.nodes) == 5000


def _text(text: str) -> Any:
    return {"type": "message", "role": "user", "content": [{"type": "text", "text": text}]}


def test_a_file_of_somebody_else_s_becomes_its_name() -> None:
    content = {
        "type": "message",
        "role": "user",
        "content": [{"type": "file", "file_id": "file-secret", "name": "a.pdf"}],
    }
    [tree] = trees(json.dumps([{"items": [{"id": "a", "parent_id": None, "content": content}]}]).encode())
    assert isinstance(tree, Tree)
    assert b"file-secret" not in msgspec.json.encode([node.item for node in tree.nodes])
    assert texts(tree) == [("a", None, "user", "[a.pdf]")]
