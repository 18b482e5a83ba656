"""Vector stores, as OpenAI's and Mistral's clients walk through them and read what was wrong. Answers from them are in
tests/libraries."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import SDKError
from openai import OpenAI
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def server(own_organization: RunningServer) -> RunningServer:
    return own_organization


def test_each_store_that_a_list_names_may_be_deleted_while_it_is_read(openai_client: OpenAI) -> None:
    stores = openai_client.vector_stores
    names = [stores.create(name=f"store {number}").name for number in range(5)]
    deleted = []
    for store in stores.list(limit=2, order="asc"):
        stores.delete(store.id)
        deleted.append(store.name)
    assert deleted == names
    assert stores.list().data == []


def test_the_stores_after_one_that_was_deleted_are_listed_once_each(openai_client: OpenAI) -> None:
    stores = openai_client.vector_stores
    made = [stores.create(name=f"store {number}").id for number in range(5)]
    first = stores.list(limit=2)
    stores.delete(made[3])
    assert [store.id for store in first.get_next_page()] == made[2::-1]
    for store_id in (*made[:3], made[4]):
        stores.delete(store_id)


def test_each_file_that_a_list_names_may_be_taken_out_while_it_is_read(openai_client: OpenAI) -> None:
    files = openai_client.vector_stores.files
    store = openai_client.vector_stores.create(name="files")
    names = {f"{number}.txt" for number in range(5)}
    for name in sorted(names):
        file = openai_client.files.create(file=(name, b"A text."), purpose="assistants")
        files.create(store.id, file_id=file.id)
    taken = set()
    for document in files.list(store.id, limit=2):
        files.delete(document.id, vector_store_id=store.id)
        taken.add(document.model_dump()["filename"])
    assert taken == names
    assert files.list(store.id).data == []


def test_a_page_may_be_empty_and_may_end_above_a_store(openai_client: OpenAI) -> None:
    stores = openai_client.vector_stores
    made = [stores.create(name=f"store {number}").id for number in range(3)][::-1]
    assert stores.list(limit=0).data == []
    assert stores.list(before=made[2], limit=0).data == []
    assert [store.id for store in stores.list(before=made[2], limit=1)] == [made[1]]  # all pages, to that store
    assert [store.id for store in stores.list(before=made[2], after=made[0])] == [made[1]]
    assert [store.id for store in stores.list(before=made[2], limit=5).data][-2:] == made[:2]
    assert openai_client.vector_stores.files.list(made[0], limit=0).data == []


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"name": "x" * 300}, "name"),
        ("", {"expires_after": {"anchor": "last_active_at", "days": 0}}, "expires_after.days"),
        ("/{store}/search", {"query": "x", "max_num_results": 51}, "max_num_results"),
        ("/{store}/files", {"file_id": "file_1", "chunking_strategy": {"type": "x"}}, "chunking_strategy.type"),
    ],
)
def test_a_wrong_field_is_a_bad_request_that_names_it(
    openai_client: OpenAI, path: str, body: dict[str, Any], param: str
) -> None:
    store = openai_client.vector_stores.create(name="x")
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.post("/vector_stores" + path.format(store=store.id), cast_to=object, body=body)
    assert caught.value.param == param


def test_a_wrong_filter_of_a_list_is_a_bad_request_that_names_it(openai_client: OpenAI) -> None:
    store = openai_client.vector_stores.create(name="x")
    wrong: Any = "zzz"
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.vector_stores.files.list(store.id, filter=wrong)
    assert caught.value.param == "filter"


def test_who_may_not_own_a_library_reads_which_field_says_so(mistral_client: Mistral) -> None:
    with pytest.raises(SDKError) as caught:
        mistral_client.beta.libraries.create(name="mine", owner_type="User")
    assert json.loads(caught.value.body)["param"] == "owner_type"


@pytest.mark.parametrize("wanted", [{"sort_by": "name"}, {"filters_attributes": '{"a": "b"}'}], ids=str)
def test_a_list_of_documents_that_isn_t_there_is_refused_rather_than_another_shown(
    mistral_client: Mistral, wanted: dict[str, Any]
) -> None:
    library = mistral_client.beta.libraries.create(name="documents")
    assert mistral_client.beta.libraries.documents.list(library_id=library.id).data == []
    with pytest.raises(SDKError) as caught:
        mistral_client.beta.libraries.documents.list(library_id=library.id, **wanted)
    assert json.loads(caught.value.body)["param"] == next(iter(wanted))


def test_a_page_token_of_a_library_that_is_gone_still_names_its_place(mistral_client: Mistral) -> None:
    libraries = mistral_client.beta.libraries
    made = [libraries.create(name=f"library {number}").id for number in range(3)]
    token = libraries.list(page_size=1).next_page_token
    assert token == made[2]
    libraries.delete(library_id=token)
    assert [one.id for one in libraries.list(page_size=2, page_token=token).data] == made[1::-1]


def test_a_file_expires_after_its_creation_and_nothing_else(http: httpx.Client) -> None:
    fields = {"purpose": "assistants", "expires_after[anchor]": "last_active_at", "expires_after[seconds]": "3600"}
    answer = http.post("/v1/files", files={"file": ("a.txt", b"A text.")}, data=fields)
    assert (answer.status_code, answer.json()["param"]) == (400, "expires_after.anchor")
