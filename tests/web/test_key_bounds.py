"""A key never gives more rights than it has: a property over all routes of keys, budgets and limits."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.people import signed_in_owner
from tests.support.server import RunningServer, start_server

KEYS, BUDGETS, LIMITS = (f"/v1/organization/{name}" for name in ("api_keys", "budgets", "limits"))
SCOPES = ("inference", "files", "batch", "usage", "administration")
FIELDS = ("scopes", "allowed_models", "allowed_addresses", "expires_at")
HOUR = 3600
NOW = int(time.time()) + 24 * HOUR
PERIODS, UNITS = ("month", "once"), ("requests_per_minute", "parallel_requests")
AMOUNTS = (10**6, 10**7)

Key = dict[str, Any]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = start_server(tmp_path_factory.mktemp("bounds"), environment={"AQUILON_MODELS": "none"})
    yield running
    running.stop()


@pytest.fixture(scope="module")
def owner(gateway: RunningServer) -> httpx.Client:
    return signed_in_owner(gateway)


def with_key(gateway: RunningServer, secret: str) -> httpx.Client:
    return httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {secret}"}, timeout=60)


def within(inner: Key, outer: Key) -> bool:
    """Whether a key's rights are a part of another key's."""
    networks = [ipaddress.ip_network(address) for address in outer["allowed_addresses"] or ("0.0.0.0/0", "::/0")]
    return (
        set(inner["scopes"]) <= set(outer["scopes"])
        and (outer["allowed_models"] is None or set(inner["allowed_models"] or ["any"]) <= set(outer["allowed_models"]))
        and all(
            any(inside.version == network.version and inside.subnet_of(network) for network in networks)  # type: ignore[arg-type]
            for inside in map(ipaddress.ip_network, inner["allowed_addresses"] or ("0.0.0.0/0", "::/0"))
        )
        and (outer["expires_at"] is None or (inner["expires_at"] or 2**53) <= outer["expires_at"])
    )


def bounds(*, of_caller: bool = False) -> st.SearchStrategy[Key]:
    """A key's fields; a caller's key may administer from this machine, now."""
    scopes = st.sets(st.sampled_from(SCOPES), min_size=1).map(sorted)
    addresses = st.sampled_from([None, ["127.0.0.0/8"], ["127.0.0.1/32"], ["10.0.0.0/8"], ["0.0.0.0/0"]])
    if of_caller:
        scopes = scopes.map(lambda chosen: sorted({*chosen, "administration", "usage"}))
        addresses = st.sampled_from([None, ["127.0.0.0/8"], ["127.0.0.1/32", "10.0.0.0/8"]])
    return st.fixed_dictionaries(
        {
            "scopes": scopes,
            "allowed_models": st.sampled_from([None, ["a"], ["a", "b"], ["c"]]),
            "allowed_addresses": addresses,
            "expires_at": st.sampled_from([None, NOW, NOW + HOUR]),
        }
    )


def changes() -> st.SearchStrategy[Key]:
    some = st.sets(st.sampled_from(FIELDS), min_size=0)
    fields = st.builds(lambda all_, names: {name: all_[name] for name in names}, bounds(), some)
    return st.builds(
        lambda fields, more: fields | more, fields, st.sampled_from([{}, {"blocked": False}, {"name": "n"}])
    )


WHICH = st.sampled_from(["own", "other"])
AMOUNT = st.sampled_from([0, *AMOUNTS, 10**9])
NUMBER = st.sampled_from([None, 0, 5, 50])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), bounds()),
        st.tuples(st.just("change"), WHICH, changes()),
        st.tuples(st.just("rotate"), WHICH),
        st.tuples(st.just("budget"), st.sampled_from(PERIODS), AMOUNT),
        st.tuples(st.just("budget by id"), AMOUNT),
        st.tuples(st.just("no budget")),
        st.tuples(st.just("limit"), NUMBER, NUMBER),
        st.tuples(st.just("no limit")),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(
    own=bounds(of_caller=True),
    other=bounds(),
    other_blocked=st.booleans(),
    budget=st.sampled_from([None, *AMOUNTS]),
    limit=st.sampled_from([None, 20]),
    actions=ACTIONS,
)
@pytest.mark.slow
def test_a_key_never_gains_rights_beyond_its_own(
    gateway: RunningServer,
    owner: httpx.Client,
    own: Key,
    other: Key,
    other_blocked: bool,
    budget: int | None,
    limit: int | None,
    actions: list[tuple[Any, ...]],
) -> None:
    own_key = owner.post(KEYS, json={"name": "own", **own}).json()
    ids = {"own": own_key["id"], "other": owner.post(KEYS, json={"name": "other", **other}).json()["id"]}
    owner.post(f"{KEYS}/{ids['other']}", json={"blocked": other_blocked})
    before = {name: owner.get(f"{KEYS}/{id_}").json() for name, id_ in ids.items()}
    mine = {"key_id": ids["own"]}
    budget_id = limit_id = "none"
    if budget is not None:
        budget_id = owner.post(BUDGETS, json={**mine, "period": "month", "limit_microcents": budget}).json()["id"]
    if limit is not None:
        limit_id = owner.post(LIMITS, json={**mine, **dict.fromkeys(UNITS, limit)}).json()["id"]
    secrets: set[str] = set()
    with with_key(gateway, own_key["value"]) as key:
        for action, *arguments in actions:
            answer = {
                "create": lambda fields=None: key.post(KEYS, json={"name": "new", **fields}),
                "change": lambda which=None, fields=None: key.post(f"{KEYS}/{ids[which]}", json=fields),
                "rotate": lambda which=None: key.post(f"{KEYS}/{ids[which]}/rotate", json={}),
                "budget": lambda period=None, amount=None: key.post(
                    BUDGETS, json={**mine, "period": period, "limit_microcents": amount}
                ),
                "budget by id": lambda amount=None: key.post(
                    f"{BUDGETS}/{budget_id}", json={"limit_microcents": amount}
                ),
                "no budget": lambda: key.delete(f"{BUDGETS}/{budget_id}"),
                "limit": lambda *numbers: key.post(LIMITS, json={**mine, **dict(zip(UNITS, numbers, strict=True))}),
                "no limit": lambda: key.delete(f"{LIMITS}/{limit_id}"),
            }[action](*arguments)
            assert answer.status_code < 500
            if action in ("create", "rotate") and answer.is_success:
                secrets.add(answer.json()["id"])
                if answer.json()["id"] == ids["own"]:
                    key.headers["authorization"] = f"Bearer {answer.json()['value']}"
    assert within(owner.get(f"{KEYS}/{ids['own']}").json(), before["own"])
    for id_ in secrets:
        assert within(owner.get(f"{KEYS}/{id_}").json(), before["own"])
    after = owner.get(f"{KEYS}/{ids['other']}").json()
    bare = {"scopes": SCOPES, "allowed_models": None, "allowed_addresses": None, "expires_at": None}
    for field in FIELDS:
        alone, was, may = ({**bare, field: key_fields[field]} for key_fields in (after, before["other"], before["own"]))
        assert within(alone, was) or within(alone, may)
    if before["other"]["blocked"] and not after["blocked"]:
        assert within(after, before["own"])
    if budget is not None:
        assert owner.get(f"{BUDGETS}/{budget_id}").json()["limit_microcents"] <= budget
        assert secrets <= {ids["own"]}
    if limit is not None:
        held = owner.get(f"{LIMITS}/{limit_id}").json()
        assert all(held[unit] is not None and held[unit] <= limit for unit in UNITS)
        assert secrets <= {ids["own"]}


def test_the_property_test_covers_every_route_that_changes_keys_budgets_and_limits(owner: httpx.Client) -> None:
    paths = owner.get("/openapi.json").json()["paths"]
    unsafe = {
        (method, path)
        for path, methods in paths.items()
        for method in methods.keys() & {"post", "put", "patch", "delete"}
        if path.startswith((KEYS, BUDGETS, LIMITS))
    }
    revokes = ("delete", f"{KEYS}/{{key_id}}")
    tried = {
        (method, f"{place}{rest}")
        for place, parameter in ((BUDGETS, "budget_id"), (LIMITS, "limit_id"))
        for method, rest in (("post", ""), ("delete", f"/{{{parameter}}}"))
    }
    tried |= {("post", KEYS), ("post", f"{KEYS}/{{key_id}}"), ("post", f"{KEYS}/{{key_id}}/rotate")}
    assert unsafe == tried | {revokes, ("post", f"{BUDGETS}/{{budget_id}}")}


def test_a_refusal_names_the_key_s_own_limits(gateway: RunningServer, owner: httpx.Client) -> None:
    own = {"scopes": ["administration"], "allowed_models": ["a", "b"], "expires_at": NOW}
    created = owner.post(KEYS, json={"name": "own", **own}).json()
    with with_key(gateway, created["value"]) as key:
        for fields, param, words in (
            ({"allowed_models": ["a"]}, "expires_at", "it expires at"),
            ({"allowed_models": None, "expires_at": NOW}, "allowed_models", "its models are a, b"),
            ({"scopes": ["usage"], "allowed_models": ["a"], "expires_at": NOW}, "scopes", "usage"),
        ):
            refused = key.post(KEYS, json={"name": "new", "scopes": ["administration"], **fields})
            assert (refused.status_code, refused.json()["param"]) == (403, param)
            assert words in refused.json()["message"]
        mine = {"key_id": created["id"], "limit_microcents": 10**6}
        assert key.post(BUDGETS, json=mine).json()["limit_microcents"] == 10**6
        refused = key.post(BUDGETS, json={**mine, "limit_microcents": 10**7})
        assert (refused.status_code, refused.json()["code"]) == (403, "beyond_own_limits")


def test_a_rotated_secret_can_t_create_a_secret_that_outlives_it(gateway: RunningServer, owner: httpx.Client) -> None:
    key = owner.post(KEYS, json={"name": "rotated", "scopes": ["administration"]}).json()
    fresh = owner.post(f"{KEYS}/{key['id']}/rotate", json={"keep_seconds": HOUR}).json()
    with with_key(gateway, key["value"]) as former, with_key(gateway, fresh["value"]) as present:
        for path, body in ((KEYS, {"name": "n", "scopes": ["administration"]}), (f"{KEYS}/{key['id']}/rotate", {})):
            refused = former.post(path, json=body)
            assert (refused.status_code, refused.json()["param"]) == (403, "expires_at")
            assert present.post(path, json=body).is_success
