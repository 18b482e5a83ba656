"""Pulls of folders and files on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.support.tiny_checkpoint import tiny_checkpoint, write_checkpoint

from aquilon.checkpoints import pull_path
from aquilon.checkpoints.arrival import PullError
from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelBusy, ModelDamaged, ModelStore
from aquilon.checkpoints.tensors import CheckpointError


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "home" / "models")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "Tiny-Llama", tiny_checkpoint())


def test_a_folder_is_pulled_under_its_own_name(folder: Path, store: ModelStore) -> None:
    (folder / "optimizer.pt").write_bytes(b"not for serving")
    model = pull(str(folder), store)
    assert (model.name, model.source, model.format) == ("Tiny-Llama", str(folder), "huggingface")
    assert "optimizer.pt" not in [file.path for file in model.files]
    assert store.verify("Tiny-Llama") == model


def test_files_on_the_same_disk_are_linked_and_take_no_space(folder: Path, store: ModelStore) -> None:
    model = pull(str(folder), store)
    assert (model.path / "model.safetensors").samefile(folder / "model.safetensors")


def test_files_that_cannot_be_linked_are_copied(
    folder: Path, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(pull_path.os, "link", refuse)
    model = pull(str(folder), store)
    assert not (model.path / "model.safetensors").samefile(folder / "model.safetensors")
    store.verify("Tiny-Llama")


def test_pulling_the_same_content_again_does_nothing(folder: Path, store: ModelStore) -> None:
    first = pull(str(folder), store)
    assert pull(str(folder), store) == first
    elsewhere = write_checkpoint(folder.parent / "moved" / "Tiny-Llama", tiny_checkpoint())
    assert pull(str(elsewhere), store) == first


def test_a_changed_folder_is_pulled_again(folder: Path, store: ModelStore) -> None:
    pull(str(folder), store)
    (folder / "model.safetensors").unlink()
    write_checkpoint(folder, tiny_checkpoint(seed=1))
    model = pull(str(folder), store)
    assert (model.path / "model.safetensors").read_bytes() == tiny_checkpoint(seed=1)["model.safetensors"]


def test_writing_into_a_linked_file_is_noticed_before_the_next_load(folder: Path, store: ModelStore) -> None:
    pull(str(folder), store)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    os.utime(folder / "model.safetensors", (1, 1))
    with pytest.raises(ModelDamaged, match=r"model\.safetensors is altered"):
        store.check("Tiny-Llama")


def test_a_damaged_model_is_repaired_by_pulling_it_again(folder: Path, store: ModelStore) -> None:
    model = pull(str(folder), store)
    (model.path / "config.json").unlink()
    (model.path / "config.json").write_text("{}")
    pull(str(folder), store)
    store.verify("Tiny-Llama")


def test_another_folder_of_the_same_name_needs_another_name(folder: Path, store: ModelStore) -> None:
    pull(str(folder), store)
    other = write_checkpoint(folder.parent / "other" / "Tiny-Llama", tiny_checkpoint(seed=1))
    with pytest.raises(PullError, match="choose another name with --name, or remove it first"):
        pull(str(other), store)
    assert pull(str(other), store, name="second").name == "second"


def test_a_model_without_a_chat_template_is_pulled_for_completions(tmp_path: Path, store: ModelStore) -> None:
    model = pull(str(write_checkpoint(tmp_path / "base", tiny_checkpoint(chat=False))), store)
    assert model.chat is False


def test_licence_and_languages_come_from_the_readme(folder: Path, store: ModelStore) -> None:
    (folder / "README.md").write_text("---\nlicense: mit\nlanguage:\n- fr\n- de\n---\n# Tiny\n")
    model = pull(str(folder), store)
    assert (model.license, model.languages) == ("mit", ["fr", "de"])


def test_a_readme_without_a_card_does_not_stop_a_pull(folder: Path, store: ModelStore) -> None:
    (folder / "README.md").write_bytes(b"---\n\xff: [\n---\n")
    assert pull(str(folder), store).license == ""


def test_a_gguf_file_is_pulled_under_its_own_name(default_model_file: Path, store: ModelStore) -> None:
    model = pull(str(default_model_file), store)
    assert (model.name, model.format, model.family) == ("SmolLM2-135M-Instruct.Q4_1", "gguf", "llama")
    assert (model.license, model.languages, model.chat) == ("apache-2.0", ["en"], True)
    assert (model.parameters, model.max_context) == (134_515_008, 8192)


def test_a_model_in_use_is_not_replaced(folder: Path, store: ModelStore) -> None:
    pull(str(folder), store)
    (folder / "model.safetensors").unlink()
    write_checkpoint(folder, tiny_checkpoint(seed=1))
    with store.hold("Tiny-Llama"), pytest.raises(ModelBusy, match="in use by a running server"):
        pull(str(folder), store)


def test_the_rest_of_a_killed_pull_is_deleted_and_the_original_kept(folder: Path, store: ModelStore) -> None:
    left = store.folder / ".partial" / "Tiny-Llama"
    left.mkdir(parents=True)
    os.link(folder / "model.safetensors", left / "model.safetensors")
    os.link(folder / "config.json", left / "stray.json")
    (folder / "model.safetensors").rename(folder / "older.bin")
    write_checkpoint(folder, tiny_checkpoint(seed=1))
    model = pull(str(folder), store)
    assert (folder / "older.bin").read_bytes() == tiny_checkpoint()["model.safetensors"]
    assert (model.path / "model.safetensors").read_bytes() == tiny_checkpoint(seed=1)["model.safetensors"]
    assert "stray.json" not in [path.name for path in model.path.iterdir()]


def test_a_damaged_folder_is_refused_and_leaves_nothing(folder: Path, store: ModelStore) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        pull(str(folder), store)
    assert store.list() == []
    assert not any((store.folder / ".partial").iterdir())


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "There is no model there"),
        ({"config.json": b"{}", "pytorch_model.bin": b""}, "pickle"),
        ({"a.gguf": b"1", "b.gguf": b"22"}, r"choose one with --file\. There are: a\.gguf \(1 bytes\), b\.gguf"),
    ],
)
def test_a_folder_without_a_model_to_serve_is_refused(
    tmp_path: Path, store: ModelStore, files: dict[str, bytes], says: str
) -> None:
    with pytest.raises(PullError, match=says):
        pull(str(write_checkpoint(tmp_path / "folder", files)), store)


def test_an_invalid_source_is_refused(tmp_path: Path, store: ModelStore) -> None:
    with pytest.raises(PullError, match="A source is a path, hf:owner/repo or pypi:package"):
        pull(str(tmp_path / "nothing"), store)
    with pytest.raises(PullError, match="not a model of another Aquilon"):
        pull("https://huggingface.co/owner/repo", store)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(PullError, match=r"name a folder, or a \.gguf file"):
        pull(str(tmp_path / "notes.txt"), store)


def test_an_architecture_that_is_not_served_is_refused_by_its_name(tmp_path: Path, store: ModelStore) -> None:
    folder = write_checkpoint(tmp_path / "m", tiny_checkpoint())
    config = json.loads((folder / "config.json").read_text()) | {
        "architectures": ["MambaForCausalLM"],
        "model_type": "mamba",
    }
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"(?i)mamba.*upstream"):
        pull(str(folder), store)


def test_a_damaged_file_is_named_where_the_person_has_it(folder: Path, store: ModelStore) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError) as caught:
        pull(str(folder), store)
    assert str(caught.value).startswith(f"{folder / 'config.json'}: ")
    assert ".partial" not in str(caught.value)
