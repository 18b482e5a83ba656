"""Frames arrive whole however the stream is cut; other bytes are refused in bounded memory."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.engine.framing import BrokenFrame, FrameDecoder, FrameTooLong, encode_frame
from aquilon.engine.protocol import (
    MAX_FRAME_BYTES,
    CancelSequence,
    FromEngine,
    LoadModel,
    SamplingParameters,
    SequenceOutput,
    SequenceRequest,
    StepFrame,
    ToEngine,
    TokenLogprobs,
)

MESSAGES: list[ToEngine] = [
    SequenceRequest(
        id="a",
        model="m",
        prompt_ids=[1, 2, 3],
        sampling=SamplingParameters(logit_bias={5: -1.5}, stop_token_ids=(7,), seed=-4),
        n=2,
        cache_salt="org",
    ),
    CancelSequence("a", 1),
    CancelSequence("ü"),
    LoadModel("m", "/models/m"),
]


@given(st.lists(st.integers(0, 200), max_size=20))
def test_messages_arrive_whole_however_the_bytes_were_cut(cuts: list[int]) -> None:
    data = b"".join(map(encode_frame, MESSAGES))
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    decoder: FrameDecoder[ToEngine] = FrameDecoder(ToEngine)
    received = [message for start, end in itertools.pairwise(edges) for message in decoder.feed(data[start:end])]
    assert received == MESSAGES


def test_a_steps_outputs_keep_their_log_probabilities() -> None:
    entry = TokenLogprobs(token_id=5, logprob=-0.5, rank=1, top=[(5, -0.5), (9, -2.0)])
    frame = StepFrame(
        [
            SequenceOutput(
                id="a",
                index=0,
                token_ids=[5],
                finish_reason="stop",
                cached_tokens=32,
                logprobs=[entry],
                prompt_logprobs=[None, entry],
            )
        ]
    )
    decoder: FrameDecoder[FromEngine] = FrameDecoder(FromEngine)
    assert list(decoder.feed(encode_frame(frame))) == [frame]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        (MAX_FRAME_BYTES + 1).to_bytes(4, "big"),
        b"\x00\x00\x00\x01\xc1",
        b"\x00\x00\x00\x05hello",
        (lambda body: len(body).to_bytes(4, "big") + body)(msgspec.msgpack.encode({"type": "sequence", "id": 5})),
    ],
)
def test_bytes_that_are_not_a_message_break_the_connection(data: bytes) -> None:
    decoder: FrameDecoder[ToEngine] = FrameDecoder(ToEngine)
    with pytest.raises(BrokenFrame):
        list(decoder.feed(data))


def test_a_message_too_long_for_the_peer_is_not_sent() -> None:
    with pytest.raises(FrameTooLong, match="bytes"):
        encode_frame(LoadModel("m", "x" * MAX_FRAME_BYTES))
