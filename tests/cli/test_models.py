"""``aquilon pull`` and ``aquilon models``: a model's life in the store, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Run
from tests.support.hub import HubRepository, fake_hub
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.checkpoints import pull_hub
from aquilon.checkpoints.store import ModelStore
from aquilon.training.protocol import Pretrain, Source, write_job


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "Tiny-Llama", tiny_checkpoint())


def test_a_model_is_pulled_listed_shown_verified_and_removed(run: Run, folder: Path, home: Path) -> None:
    pulled = run("pull", str(folder))
    assert pulled.code == 0
    assert pulled.out.startswith("Tiny-Llama  ")
    assert run("pull", str(folder)).out == "Tiny-Llama is already there, whole and unchanged\n"
    assert "Tiny-Llama" in run("models", "list").out
    assert str(home / "models" / "Tiny-Llama") in run("models", "show", "Tiny-Llama").out
    assert run("models", "verify").out == "Tiny-Llama is whole\n"
    assert run("models", "remove", "Tiny-Llama").out.startswith("Removed Tiny-Llama: ")
    assert json.loads(run("models", "list", "--json").out) == []


def test_a_run_is_pulled_by_its_folder_and_called_as_it_is(run: Run, folder: Path, tmp_path: Path) -> None:
    trained = tmp_path / "nano"
    write_job(trained, Pretrain(data=[Source(path="x")], tokenizer="x"))
    unfinished = run("pull", str(trained))
    assert unfinished.code == 1
    assert f"`aquilon train resume {trained}` goes on with it" in unfinished.err
    folder.rename(trained / "model")
    assert run("pull", str(trained)).out.startswith("nano  ")
    assert run("pull", str(trained), "--name", "other").out.startswith("other  ")


def test_programs_read_the_same_facts_as_json(run: Run, folder: Path) -> None:
    model = json.loads(run("pull", str(folder), "--name", "tiny", "--json").out)
    assert (model["name"], model["family"], model["chat"]) == ("tiny", "llama", True)
    assert model["bytes"] == sum(file["size"] for file in model["files"])
    assert json.loads(run("models", "list", "--json").out) == [model]
    assert json.loads(run("models", "show", "tiny", "--json").out) == model
    assert json.loads(run("models", "verify", "--json").out) == [{"name": "tiny", "whole": True, "problem": None}]


def test_a_damaged_model_fails_verification_by_name_and_a_pull_repairs_it(run: Run, folder: Path, home: Path) -> None:
    run("pull", str(folder))
    (home / "models" / "Tiny-Llama" / "config.json").unlink()
    shown = run("models", "verify")
    assert shown.code == 1
    assert "config.json is missing; pull it again: aquilon pull" in shown.err
    assert run("pull", str(folder)).code == 0
    assert run("models", "verify").code == 0


def test_an_unknown_model_is_told_with_the_nearest_name(run: Run, folder: Path) -> None:
    run("pull", str(folder))
    shown = run("models", "show", "tiny-lama")
    assert (shown.code, "did you mean 'Tiny-Llama'?" in shown.err) == (1, True)


def test_a_model_in_use_is_not_removed(run: Run, folder: Path, home: Path) -> None:
    run("pull", str(folder))
    with ModelStore(home / "models").hold("Tiny-Llama"):
        shown = run("models", "remove", "Tiny-Llama")
    assert (shown.code, "in use by a running server" in shown.err) == (1, True)


def test_an_unfinished_pull_can_be_removed(run: Run, home: Path) -> None:
    partial = home / "models" / ".partial" / "big"
    partial.mkdir(parents=True)
    (partial / "model.safetensors.part").write_bytes(b"x" * 2000)
    assert run("models", "remove", "big").out == "Removed big: 2 KB freed\n"
    assert not partial.exists()


def test_a_gated_licence_is_shown_and_needs_an_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_TOKEN", "hf_member")
        monkeypatch.setattr(pull_hub, "_RETRY_AFTER", (0.0,))
        hub.token = "hf_member"
        card = {"license": "other", "license_name": "eagle-community", "extra_gated_prompt": "Feed the eagle."}
        hub.repositories["eagle/Tiny"] = HubRepository(tiny_checkpoint(), gated="auto", card=card)
        refused = run("pull", "hf:eagle/Tiny")
        assert refused.code == 1
        assert "Its licence: eagle-community" in refused.err
        assert "Feed the eagle." in refused.err
        assert "--yes" in refused.err
        assert run("pull", "hf:eagle/Tiny", "--yes").code == 0


def test_suggestions_put_european_models_first_and_fit_the_memory(run: Run) -> None:
    suggestions = json.loads(run("models", "suggest", "--memory", "16GB", "--json").out)
    european = [suggestion["european"] for suggestion in suggestions]
    assert european == sorted(european, reverse=True)
    assert any(european)
    assert all(suggestion["memory_bytes"] < 16 * 2**30 for suggestion in suggestions)
    assert all(suggestion["command"] == f"aquilon pull {suggestion['source']}" for suggestion in suggestions)


def test_suggestions_can_be_asked_for_a_language(run: Run) -> None:
    shown = run("models", "suggest", "--memory", "16GB", "--language", "mt")
    assert "EuroLLM 9B" in shown.out
    assert "Lucie" not in shown.out
    assert run("models", "suggest", "--memory", "100MB").err.startswith("No model in the list fits")
