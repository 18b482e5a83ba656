"""Models answer through an API and through the engine; both are measured in the same way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from tests.support.server import RunningServer

from aquilon.evaluation.answering import Drawing, NoAnswer
from aquilon.evaluation.candidates import load_candidate
from aquilon.evaluation.engine_answers import EngineAnswers
from aquilon.evaluation.prompting import Prompt
from aquilon.evaluation.protocol import RemoteCandidate
from aquilon.evaluation.remote_answers import RemoteAnswers
from aquilon.evaluation.scoring import LoadedScorer
from aquilon.settings import DEFAULT_MODEL
from aquilon.text.messages import Message

QUESTION = Prompt("The capital of France is", (Message("user", "Name the capital of France."),))
GREEDY = Drawing(max_tokens=12, stop=(".",), temperature=0.0, top_p=1.0, seed=0)


@pytest.fixture
def candidate(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> RemoteCandidate:
    monkeypatch.setenv("EVALUATION_KEY", server.api_key)
    return RemoteCandidate(name=DEFAULT_MODEL, url=f"{server.url}/v1", key_env="EVALUATION_KEY")


async def test_our_server_scores_choices_as_the_weights_do(
    candidate: RemoteCandidate, default_model_file: Path
) -> None:
    choices = [" Paris", " a banana", " Berlin.", " été"]
    remote = RemoteAnswers(candidate, form="auto")
    theirs = await remote.log_likelihoods(QUESTION.text, choices)
    await remote.aclose()
    loaded = await asyncio.to_thread(load_candidate, default_model_file, "float32", lambda share: None)
    ours = await LoadedScorer(loaded).log_likelihoods(QUESTION.text, choices)
    assert theirs == pytest.approx(ours, rel=0.05)  # the server computes with 8-bit activations
    assert max(range(4), key=ours.__getitem__) == max(range(4), key=theirs.__getitem__) == 0


@pytest.mark.usefixtures("forked_programs")
@pytest.mark.parametrize("form", ["chat", "text"])
async def test_the_engine_answers_as_the_server_does(
    candidate: RemoteCandidate, default_model_file: Path, form: str
) -> None:
    remote = RemoteAnswers(candidate, form=form)  # type: ignore[arg-type]
    engine = await EngineAnswers.start(default_model_file, dtype="auto", form=form)  # type: ignore[arg-type]
    try:
        answers = [await model.answer(QUESTION, GREEDY) for model in (remote, engine)]
    finally:
        await engine.aclose()
        await remote.aclose()
    assert answers[0] == answers[1] != ""
    assert "Paris" in answers[0]
    assert form == "chat" or "." not in answers[0], "the stop string ends a text"


async def test_a_refusal_is_passed_on_with_its_reason(candidate: RemoteCandidate) -> None:
    unknown = RemoteAnswers(RemoteCandidate(name="nobody", url=candidate.url, key_env="EVALUATION_KEY"), form="auto")
    with pytest.raises(NoAnswer, match=r"status 404: .*The model 'nobody' does not exist"):
        await unknown.answer(QUESTION, GREEDY)
    await unknown.aclose()
    with pytest.raises(NoAnswer, match="the environment variable NOT_SET is not set"):
        RemoteAnswers(RemoteCandidate(name="m", url="http://127.0.0.1:1/v1", key_env="NOT_SET"), form="auto")


async def test_an_upstream_that_knows_a_field_by_another_name_or_is_busy_is_asked_again() -> None:
    bodies: list[dict[str, object]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        bodies.append(json.loads(await reader.readexactly(length)))
        status, body = "200 OK", '{"choices": [{"message": {"content": "42"}}]}'
        if "seed" in bodies[-1]:
            status, body = "422 Unprocessable", '{"detail": "extra_forbidden: seed"}'
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as upstream:
        port = upstream.sockets[0].getsockname()[1]
        model = RemoteAnswers(RemoteCandidate(name="m", url=f"http://127.0.0.1:{port}/v1/"), form="auto")
        assert [await model.answer(QUESTION, GREEDY) for _ in range(2)] == ["42", "42"]
        with pytest.raises(NoAnswer, match="gives no log probabilities of a prompt"):
            await model.log_likelihoods("a", ["b"])
        await model.aclose()
    assert ["random_seed" in body for body in bodies[:3]] == [False, True, True]


def test_lm_eval_gets_what_its_client_asks_for(server: RunningServer, default_model_file: Path) -> None:
    """The requests of lm-eval 0.4.13's ``local-completions`` with the server's own tokenizer."""
    context, choices = "The capital of France is", [" Paris", " a banana"]
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.api_key}"}) as http:
        assert http.get("/tokenizer_info").json()["eos_token"] == "<|endoftext|>"

        def encoded(text: str) -> list[int]:
            ids: list[int] = http.post("/tokenize", json={"prompt": text, "add_special_tokens": False}).json()["tokens"]
            assert http.post("/detokenize", json={"tokens": ids}).json()["prompt"] == text
            return ids

        begin, prompts = len(encoded(context)), [encoded(context + choice) for choice in choices]
        fields = {"prompt": prompts, "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": True}
        answer = http.post("/v1/completions", json={"model": DEFAULT_MODEL, **fields}).json()
    scores = []
    for choice, ids in zip(sorted(answer["choices"], key=lambda choice: choice["index"]), prompts, strict=True):
        logprobs = choice["logprobs"]
        assert len(logprobs["token_logprobs"]) == len(logprobs["top_logprobs"]) == len(ids) + 1
        assert logprobs["token_logprobs"][0] is None
        pairs = list(zip(logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True))[begin:-1]
        assert all(score <= max(top.values()) for score, top in pairs)
        scores.append(sum(score for score, _ in pairs))
    assert scores[0] > scores[1]
