"""Names that stand for models: planned switches, shares of the callers, roll-back; kept, and on the audit log."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aquilon.catalogue import store as stored
from aquilon.catalogue.administration import aliases
from aquilon.catalogue.administration.aliases import AliasDefinition
from aquilon.catalogue.aliases import Alias, checked_alias
from aquilon.catalogue.annotations import Annotations
from aquilon.catalogue.card import ModelCard
from aquilon.catalogue.catalogue import Catalogue
from aquilon.errors import ApiError
from aquilon.people import first_run as operator
from aquilon.people.administration import workspaces
from aquilon.people.identity import Principal
from aquilon.storage import Database

KNOWN = ("small-1", "small-2", "large")
NAMES = st.sampled_from(KNOWN)
CALLERS = [f"key_{number}" for number in range(2000)]


def latest(**fields: object) -> Alias:
    return Alias(**({"name": "small-latest", "target": "small-1"} | fields))  # type: ignore[arg-type]


def test_a_planned_switch_happens_by_itself_and_can_be_rolled_back() -> None:
    alias = latest(switch_target="small-2", switch_at=1000)
    assert [alias.model(moment, "key") for moment in (999, 1000, 5000)] == ["small-1", "small-2", "small-2"]
    assert alias.at(1000).rolled_back(1000).model(1000, "key") == "small-1"
    assert alias.rolled_back(999) == latest()


def test_a_share_is_of_the_callers_and_each_keeps_its_model() -> None:
    alias = latest(share_target="small-2", share_percent=20)
    first = [alias.model(0, caller) for caller in CALLERS]
    assert first == [alias.model(1, caller) for caller in CALLERS]
    assert 0.17 < first.count("small-2") / len(CALLERS) < 0.23


@given(st.integers(1, 98), st.integers(1, 99), st.text(max_size=40))
def test_a_growing_share_adds_callers_and_takes_none_away(first: int, second: int, caller: str) -> None:
    small, large = sorted((first, second))
    if latest(share_target="large", share_percent=small).model(0, caller) == "large":
        assert latest(share_target="large", share_percent=large).model(0, caller) == "large"


def test_two_aliases_share_among_different_callers() -> None:
    both = [latest(share_target="large", share_percent=50), latest(name="b", share_target="large", share_percent=50)]
    assert [both[0].model(0, caller) for caller in CALLERS] != [both[1].model(0, caller) for caller in CALLERS]


@given(st.lists(NAMES, min_size=1, max_size=6))
def test_a_roll_back_undoes_the_last_change_of_target(targets: list[str]) -> None:
    alias, before = latest(), None
    for target in targets:
        if target != alias.target:
            before = alias.target
        alias = alias.pointed_to(target, 0)
    if before is None:
        with pytest.raises(ValueError, match="nothing to roll back to"):
            alias.rolled_back(0)
    else:
        assert alias.rolled_back(0).target == before
        assert alias.rolled_back(0).rolled_back(0).target == alias.target


@pytest.mark.parametrize("name", ["", "*", "-x", "a b", "a\n", "x" * 129, "ümlaut", "/x"])
def test_an_invalid_name_is_refused_as_an_alias(name: str) -> None:
    with pytest.raises(ValueError, match="can't be an alias"):
        checked_alias(name)


REFUSED = [
    (AliasDefinition(name="large", target="small-1"), "a model's own name"),
    (AliasDefinition(name="x", target="nothing"), "There is no model 'nothing'"),
    (AliasDefinition(name="x", target="x"), "can't stand for itself"),
    (AliasDefinition(name="x", target="taken"), "is an alias itself"),
    (AliasDefinition(name="x", target="small-1", share=("taken", 10)), "is an alias itself"),
    (AliasDefinition(name="x", target="small-1", share=("small-1", 10)), "stands for 'small-1' already"),
    (AliasDefinition(name="x", target="small-1", switch=("small-2", 1)), "a moment to come"),
    (AliasDefinition(name="x", target="small-1", switch=("small-1", 2**40)), "a switch goes to another model"),
    (AliasDefinition(name="x", target="small-1", switch=("nothing", 2**40)), "There is no model 'nothing'"),
]


async def test_chains_loops_and_unknown_targets_are_refused(database: Database) -> None:
    actor = await first_operator(database)
    await aliases.set_alias(database, actor, AliasDefinition(name="taken", target="small-1"), models=KNOWN)
    for definition, words in REFUSED:
        with pytest.raises(ValueError, match=words):
            await aliases.set_alias(database, actor, definition, models=KNOWN)


async def test_the_target_of_an_alias_can_t_become_an_alias(database: Database) -> None:
    actor = await first_operator(database)
    await aliases.set_alias(database, actor, AliasDefinition(name="taken", target="small-1"), models=KNOWN)
    with pytest.raises(ValueError, match="an alias can't stand for an alias"):
        await aliases.set_alias(database, actor, AliasDefinition(name="small-1", target="large"), models=["large"])


async def test_changes_are_kept_and_on_the_audit_log(database: Database) -> None:
    actor, later = await first_operator(database), int(time.time()) + 1000
    definition = AliasDefinition(name="latest", target="small-1", share=("large", 5), switch=("small-2", later))
    planned = await aliases.set_alias(database, actor, definition, models=KNOWN)
    await aliases.set_alias(database, actor, AliasDefinition(name="latest", target="small-2"), models=KNOWN)
    await aliases.roll_back(database, actor, "latest")
    async with database.reading() as session:
        [kept] = await stored.aliases(session)
    assert (kept.target, kept.former, planned.share_percent) == ("small-1", "small-2", 5)
    await aliases.remove(database, actor, "latest")
    with pytest.raises(ApiError, match="There is no alias 'latest'"):
        await aliases.roll_back(database, actor, "latest")
    entries = [
        (row.action, row.object_name) for row in await workspaces.audit_log(database, actor, before=None, limit=9)
    ]
    actions = ("removed", "rolled_back", "set", "set")
    assert entries[:4] == [(f"model_alias.{action}", "latest") for action in actions]


async def test_another_processes_change_counts_within_a_second(database: Database) -> None:
    class Cards:
        def cards(self) -> list[ModelCard]:
            return [ModelCard(name=name, created=1, max_context=10, chat=True) for name in KNOWN]

    annotations = Annotations(database, settings_aliases={"from-settings": "large", "*": "small-1"})
    catalogue = Catalogue(None, annotations, (Cards(),))
    actor = await first_operator(database)
    await aliases.set_alias(database, actor, AliasDefinition(name="from-settings", target="small-2"), models=KNOWN)
    assert catalogue.card("from-settings").name == "large"
    await catalogue.refresh(now=True)
    assert catalogue.card("from-settings").name == "small-2"
    assert catalogue.card("anything").name == "small-1"
    assert catalogue.card("large").name == "large"


async def test_only_the_organization_that_runs_the_server_sets_aliases(database: Database) -> None:
    other = replace(await first_operator(database), operates=False)
    with pytest.raises(ApiError) as refused:
        await aliases.set_alias(database, other, AliasDefinition(name="x", target="large"), models=KNOWN)
    assert refused.value.status == 403


async def first_operator(database: Database) -> Principal:
    await operator.prepare_first_run(database)
    return await operator.operator(database)
