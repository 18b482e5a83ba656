"""Scripts of upstreams that break rules: answers that must be read all the same, and answers that must fail."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.upstream_server import OK, Connection

Script = Callable[[Connection], Awaitable[None]]

WORDS = ("One ", "two ", "three")
TEXT = "".join(WORDS)
USAGE = {"prompt_tokens": 7, "completion_tokens": 3}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
PAUSE = 0.05
"""Seconds between two pieces, so that each is received separately."""
MIB = 2**20


def event(delta: Any, **more: Any) -> bytes:
    return b"data: %s\n\n" % json.dumps({"choices": [{"index": 0, "delta": delta, **more}]}).encode()


SAID = b"".join(event({"content": word}) for word in WORDS)
FINISHED = event({}, finish_reason="stop")
COUNTED = b"data: %s\n\n" % json.dumps({"choices": [], "usage": USAGE}).encode()
DONE = b"data: [DONE]\n\n"
ALL = SAID + FINISHED + COUNTED + DONE


def sends(*pieces: bytes) -> Script:
    """Send a head, these pieces with a pause between them, and the end of the answer."""

    async def script(connection: Connection) -> None:
        await connection.begin()
        for number, piece in enumerate(pieces):
            await asyncio.sleep(PAUSE if number else 0)
            await connection.data(piece)
        await connection.raw(b"0\r\n\r\n")

    return script


def raw(*pieces: bytes, then: str = "") -> Script:
    """Send these pieces with a pause between them, without a head."""

    async def script(connection: Connection) -> None:
        for number, piece in enumerate(pieces):
            await asyncio.sleep(PAUSE if number else 0)
            await connection.raw(piece)
        if then == "hang":
            await connection.gone()
        elif then == "cut":
            connection.cut()
        elif then == "close":
            connection.close()

    return script


def floods(begin: bytes, piece: bytes, times: int) -> Script:
    async def script(connection: Connection) -> None:
        await connection.raw(begin)
        for _ in range(times):
            await connection.raw(piece)
        await connection.gone()

    return script


async def drips(connection: Connection) -> None:
    """Send an endless head, one byte at a time."""
    for byte in HEAD * 20:
        await connection.raw(bytes([byte]))
        await asyncio.sleep(0.02)


async def interims_for_ever(connection: Connection) -> None:
    while True:
        await connection.raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await asyncio.sleep(0.001)


async def one_byte_at_a_time(connection: Connection) -> None:
    await connection.begin()
    for byte in ALL:
        await connection.data(bytes([byte]))
    await connection.raw(b"0\r\n\r\n")


answers_all = sends(ALL)

WELL: dict[str, tuple[Script, int]] = {
    "one_byte_at_a_time": (one_byte_at_a_time, 3),
    "all_at_once": (answers_all, 3),
    "http_1_0": (raw(HEAD.replace(b"1.1", b"1.0") + b"\r\n" + ALL, then="close"), 3),
    "without_a_length": (raw(HEAD + b"connection: close\r\n\r\n" + ALL, then="close"), 3),
    "with_its_length": (raw(HEAD + b"content-length: %d\r\n\r\n" % len(ALL), ALL), 3),
    "interim_answers": (
        raw(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n",
            HEAD + b"content-length: %d\r\n\r\n" % len(ALL),
            ALL,
        ),
        3,
    ),
    "carriage_returns": (sends(ALL.replace(b"\n", b"\r\n")), 3),
    "comments_ids_and_names": (
        sends(b": hello\n\nid: 7\nretry: 10\n\n", ALL.replace(b"data:", b"id: 1\nevent: message\ndata:")),
        3,
    ),
    "no_spaces": (sends(ALL.replace(b"data: ", b"data:")), 3),
    "no_done": (sends(SAID + FINISHED + COUNTED), 3),
    "no_reason_but_done": (sends(SAID + DONE), 3),
    "cut_after_its_reason": (raw(OK + b"%x\r\n%s\r\n" % (len(SAID + FINISHED), SAID + FINISHED), then="cut"), 3),
    "finished_twice": (sends(SAID + FINISHED + event({"content": " four"}, finish_reason="length") + DONE), 3),
    "empty_reasons": (
        sends(b"".join(event({"content": word}, finish_reason="") for word in WORDS) + FINISHED + DONE),
        3,
    ),
    "empty_choices": (sends(b'data: {"choices": []}\n\ndata: {"choices": null}\n\ndata: {}\n\n' + ALL), 3),
    "a_role_alone": (sends(event({"role": "assistant"}) + event({"role": "assistant", "content": None}) + ALL), 3),
    "null_everywhere": (
        sends(
            event({"content": None, "tool_calls": None, "refusal": None}, logprobs=None, finish_reason=None)
            + b'data: {"choices": [{"index": 0, "delta": null, "finish_reason": null}], "usage": null}\n\n'
            + ALL
        ),
        3,
    ),
    "usage_in_every_chunk": (
        sends(
            b"".join(
                b"data: %s\n\n"
                % json.dumps(
                    {
                        "choices": [{"index": 0, "delta": {"content": word}}],
                        "usage": {"prompt_tokens": 7, "completion_tokens": number},
                    }
                ).encode()
                for number, word in enumerate(WORDS, 1)
            )
            + FINISHED
            + DONE
        ),
        3,
    ),
    "counts_too_few": (sends(SAID + FINISHED + COUNTED.replace(b": 3", b": 0") + DONE), 3),
    "counts_too_many": (sends(SAID + FINISHED + COUNTED.replace(b": 3", b": 5000") + DONE), 3),
    "counts_below_nothing": (sends(SAID + FINISHED + COUNTED.replace(b": 3", b": -3") + DONE), 3),
    "counts_in_words": (sends(SAID + FINISHED + COUNTED.replace(b": 3", b': "three"') + DONE), 3),
    "counts_beyond_measure": (sends(SAID + FINISHED + COUNTED.replace(b": 3", b": 1" + b"0" * 40) + DONE), 3),
    "counts_in_a_list": (sends(SAID + event({}, finish_reason="stop")[:-3] + b', "usage": [1, 2]}\n\n' + DONE), 3),
    "finishes_with_a_count": (
        sends(SAID + event({}, finish_reason="stop")[:-3] + b', "usage": %s}\n\n' % json.dumps(USAGE).encode() + DONE),
        3,
    ),
    "unknown_fields": (sends(b'data: {"choices": [], "x": {"y": [1, {"z": null}]}, "id": 7}\n\n' + ALL), 3),
    "says_more_after_its_end": (sends(ALL, event({"content": " four"})), 3),
}
"""Scripts that send the whole answer, and the completion tokens that are charged."""

BAD: dict[str, tuple[Script, int]] = {
    "hangs": (raw(then="hang"), 504),
    "drips": (drips, 504),
    "interims_for_ever": (interims_for_ever, 504),
    "cut_in_its_head": (raw(HEAD[:20], then="cut"), 502),
    "hundred_mb_of_headers": (floods(HEAD, b"x-pad: " + b"y" * 8000 + b"\r\n", 12_500), 502),
    "a_header_of_100_mb": (floods(HEAD + b"x: ", b"y" * MIB, 100), 502),
    "a_status_line_of_100_mb": (floods(b"HTTP/1.1 200 ", b"O" * MIB, 100), 502),
    "a_line_of_100_mb": (floods(HEAD + b"\r\ndata: ", b"x" * MIB, 100), 502),
    "an_event_of_100_mb": (floods(HEAD + b"\r\n", (b"data: " + b"x" * 1000 + b"\n") * 1000, 100), 502),
    "a_chunk_size_of_100_mb": (floods(OK, b"0" * MIB, 100), 504),
    "no_chunk_size": (raw(OK, b"zz\r\nwhat\r\n", then="hang"), 502),
    "a_chunk_size_beyond_measure": (raw(OK, b"f" * 40 + b"\r\n", then="hang"), 502),
    "a_gzip_bomb": (
        raw(HEAD + b"content-encoding: gzip\r\nconnection: close\r\n\r\n", gzip.compress(b"\0" * 2**25), then="close"),
        502,
    ),
    "gzip_in_its_transfer": (
        raw(HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n", then="close"),
        502,
    ),
    "two_lengths": (raw(HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n", ALL, then="hang"), 502),
    "a_length_below_nothing": (raw(HEAD + b"content-length: -5\r\n\r\n", ALL, then="hang"), 502),
    "no_words_in_its_length": (raw(HEAD + b"content-length: 9\r\n\r\n", ALL, then="hang"), 502),
    "no_http": (raw(b"SSH-2.0-OpenSSH_9.2\r\n", then="hang"), 502),
    "http_9": (raw(b"HTTP/9.9 200 OK\r\n\r\n", ALL, then="close"), 502),
    "switching_protocols": (raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", ALL, then="hang"), 502),
    "an_error_of_100_mb": (floods(b"HTTP/1.1 500 X\r\n\r\n", b"x" * MIB, 100), 502),
    "an_error_that_hangs": (raw(b"HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\n", then="hang"), 504),
    "no_content": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), 502),
    "no_utf8": (sends(b"data: \xff\xfe\n\n"), 502),
    "half_a_character": (sends(event({"content": "x"}).replace(b"x", b"\\ud83d")), 502),
    "not_a_number": (
        sends(event({"content": "x"}, logprobs={"content": [{"token": "x", "logprob": "high"}]})),
        502,
    ),
    "finished_without_a_choice": (sends(b"data: {}\n\n", COUNTED), 502),
    "a_thousand_calls": (
        sends(b"".join(event({"tool_calls": [{"index": n, "function": {"name": "f"}}]}) for n in range(1000)) + ALL),
        502,
    ),
}
"""Scripts that fail before the first word, and the status that the client gets."""

BREAKS: dict[str, tuple[Script, int]] = {
    "cut": (raw(OK, b"%x\r\n%s\r\n" % (len(SAID), SAID), then="cut"), 502),
    "ended": (sends(SAID), 502),
    "hung": (raw(OK, b"%x\r\n%s\r\n" % (len(SAID), SAID), then="hang"), 504),
    "shorter_than_its_length": (raw(HEAD + b"content-length: %d\r\n\r\n" % (len(SAID) + 9), SAID, then="close"), 502),
    "longer_than_its_length": (
        raw(HEAD + b"content-length: %d\r\n\r\n" % len(SAID), ALL, then="hang"),
        502,
    ),
    "turned_to_noise": (sends(SAID, b"data: \xff\xfe\n\n", FINISHED), 502),
    "a_line_without_end": (floods(HEAD + b"\r\n" + SAID + b"data: ", b"x" * MIB, 100), 502),
    "failed": (sends(SAID, b'event: error\ndata: {"message": "at http://10.1.2.3 with sk-very-secret-key"}\n\n'), 502),
    "ended_for_an_error": (sends(SAID, event({}, finish_reason="error")), 502),
}
"""Scripts that fail after the first words, and the status of the error."""


async def calls_without_numbers(connection: Connection) -> None:
    """Each chunk repeats its call's id; the second call's second piece repeats its name too."""
    pieces = [("a", "f", '{"x"'), ("a", None, ":1}"), ("b", "g", "{"), ("b", "g", "}")]
    await connection.begin()
    for id_, name, arguments in pieces:
        await connection.say("", tool_calls=[{"id": id_, "function": {"name": name, "arguments": arguments}}])
    await connection.finish("tool_calls")
    await connection.end()


async def calls_without_anything(connection: Connection) -> None:
    calls = [{"function": {"name": "f", "arguments": {"x": 1}}}, {"function": {"name": "g", "arguments": "{}"}}]
    await connection.begin()
    await connection.say("", tool_calls=calls)
    await connection.finish("tool_calls")
    await connection.end()


async def never_stops(connection: Connection) -> None:
    await connection.begin()
    while True:
        await connection.say("word ")


async def never_stops_in_one_word(connection: Connection) -> None:
    await connection.begin()
    await connection.say("x" * 60_000)
    await connection.finish(usage={"prompt_tokens": 7, "completion_tokens": 10_000})
    await connection.end()


async def speaks_unasked(connection: Connection) -> None:
    """Send a second answer after the first, which the connection's next request could take for its own."""
    await connection.raw(HEAD + b"content-length: %d\r\n\r\n" % len(ALL) + ALL)
    stolen = event({"content": "stolen"}) + FINISHED + DONE
    await connection.raw(HEAD + b"content-length: %d\r\n\r\n" % len(stolen) + stolen)


async def sets_a_cookie(connection: Connection) -> None:
    await connection.raw(HEAD + b"set-cookie: tenant=1\r\ncontent-length: %d\r\n\r\n" % len(ALL) + ALL)


OTHERS: dict[str, Script] = {
    script.__name__: script
    for script in (
        calls_without_numbers,
        calls_without_anything,
        never_stops,
        never_stops_in_one_word,
        speaks_unasked,
        sets_a_cookie,
    )
}
