"""The model store: listed models are complete, models in use stay, and altered files are refused by name."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from pathlib import Path

import pytest

from aquilon.checkpoints.store import (
    ModelBusy,
    ModelDamaged,
    ModelNotFound,
    ModelStore,
    StoredModel,
    StoreError,
    name_from,
    now,
    stored_file,
    valid_name,
)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def put(store: ModelStore, name: str, content: bytes = b"weights") -> StoredModel:
    with store.staging(name) as staging:
        (staging.folder / "model.gguf").write_bytes(content)
        files = [stored_file(staging.folder, "model.gguf")]
        return staging.commit(StoredModel(name=name, source="/somewhere", pulled_at=now(), files=files))


def interrupted_pull(store: ModelStore, *, resumable: bool) -> None:
    with store.staging("half") as staging:
        (staging.folder / "model.gguf").write_bytes(b"wei")
        staging.resumable = resumable
        assert store.list() == []
        raise KeyboardInterrupt


def test_a_committed_model_is_listed_with_size_and_sum_of_every_file(store: ModelStore) -> None:
    put(store, "small", b"weights")
    [model] = store.list()
    assert (model.name, model.bytes, model.path) == ("small", 7, store.folder / "small")
    manifest = json.loads((store.folder / "small" / "manifest.json").read_text())
    assert manifest["files"][0]["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert manifest["source"] == "/somewhere"
    assert "path" not in manifest


def test_a_pull_that_ends_early_is_never_listed_and_leaves_nothing(store: ModelStore) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted_pull(store, resumable=False)
    assert store.list() == []
    assert not (store.folder / ".partial" / "half").exists()


def test_a_resumable_pull_keeps_its_folder_and_is_still_not_listed(store: ModelStore) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted_pull(store, resumable=True)
    assert store.list() == []
    with store.staging("half") as staging:
        assert (staging.folder / "model.gguf").read_bytes() == b"wei"


def test_only_the_files_of_the_manifest_are_committed(store: ModelStore) -> None:
    with store.staging("small") as staging:
        (staging.folder / ".download").mkdir()
        (staging.folder / ".download" / "pip.log").write_text("noise")
        (staging.folder / "model.gguf").write_bytes(b"weights")
        files = [stored_file(staging.folder, "model.gguf")]
        model = staging.commit(StoredModel(name="small", source="x", pulled_at=now(), files=files))
    assert sorted(path.name for path in model.path.rglob("*")) == ["manifest.json", "model.gguf"]


def test_a_second_pull_of_the_same_model_is_refused_while_the_first_runs(store: ModelStore) -> None:
    with store.staging("small"), pytest.raises(ModelBusy, match="'small' is being pulled"), store.staging("small"):
        pass


def _pull_and_die(folder: Path) -> None:
    with ModelStore(folder).staging("small"):
        os._exit(9)


def test_a_killed_pull_leaves_no_lock_behind(store: ModelStore) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_pull_and_die, args=(store.folder,))
    process.start()
    process.join()
    assert process.exitcode == 9
    put(store, "small")
    assert [model.name for model in store.list()] == ["small"]


def test_a_new_version_takes_the_place_of_the_old_one(store: ModelStore) -> None:
    put(store, "small", b"old")
    put(store, "small", b"newer")
    assert (store.get("small").path / "model.gguf").read_bytes() == b"newer"
    assert not (store.folder / ".replaced" / "small").exists()


def test_a_replacement_cut_short_by_a_power_failure_restores_the_old_version(store: ModelStore) -> None:
    put(store, "small", b"old")
    (store.folder / ".replaced").mkdir(exist_ok=True)
    (store.folder / "small").rename(store.folder / ".replaced" / "small")
    assert [model.name for model in store.list()] == ["small"]
    assert store.get("small").bytes == 3


def test_a_model_in_use_is_neither_removed_nor_replaced(store: ModelStore) -> None:
    put(store, "small")
    with store.hold("small"), store.hold("small"):
        with pytest.raises(ModelBusy, match="in use by a running server"):
            store.remove("small")
        with pytest.raises(ModelBusy, match="in use by a running server"):
            put(store, "small", b"other")
    store.remove("small")
    assert store.list() == []
    assert not (store.folder / "small").exists()


def test_an_unknown_model_is_refused_with_the_nearest_name(store: ModelStore) -> None:
    put(store, "smollm2-135m")
    with pytest.raises(ModelNotFound, match="did you mean 'smollm2-135m'"):
        store.get("smollm2-135")


def test_a_truncated_file_is_refused_by_name(store: ModelStore) -> None:
    model = put(store, "small", b"weights")
    (model.path / "model.gguf").write_bytes(b"weig")
    for look in (store.check, store.verify):
        with pytest.raises(ModelDamaged, match=r"small/model\.gguf is truncated \(4 bytes instead of 7\)"):
            look("small")


def test_an_altered_file_of_the_same_size_is_refused_before_it_is_loaded(store: ModelStore) -> None:
    model = put(store, "small", b"weights")
    (model.path / "model.gguf").write_bytes(b"WEIGHTS")
    os.utime(model.path / "model.gguf", (1, 1))
    with pytest.raises(ModelDamaged, match=r"small/model\.gguf is altered"):
        store.check("small")


def test_verify_finds_a_change_that_kept_size_and_time(store: ModelStore) -> None:
    model = put(store, "small", b"weights")
    file = model.path / "model.gguf"
    file.write_bytes(b"WEIGHTS")
    os.utime(file, ns=(model.files[0].modified_ns, model.files[0].modified_ns))
    store.check("small")
    with pytest.raises(ModelDamaged, match="altered"):
        store.verify("small")


def test_a_file_touched_but_equal_is_read_once_and_trusted_again(store: ModelStore) -> None:
    model = put(store, "small", b"weights")
    os.utime(model.path / "model.gguf", (1, 1))
    checked = store.check("small")
    assert checked.files[0].modified_ns == (model.path / "model.gguf").stat().st_mtime_ns
    assert store.get("small") == checked


def test_a_missing_file_is_refused_by_name(store: ModelStore) -> None:
    model = put(store, "small")
    (model.path / "model.gguf").unlink()
    with pytest.raises(ModelDamaged, match=r"small/model\.gguf is missing; pull it again: aquilon pull /somewhere"):
        store.check("small")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b'{"name": "small", "files": []}'])
def test_an_unreadable_manifest_is_not_listed_and_is_named_on_request(store: ModelStore, content: bytes) -> None:
    model = put(store, "small")
    (model.path / "manifest.json").write_bytes(content)
    assert store.list() == []
    assert store.unreadable() == ("small",)
    with pytest.raises(ModelDamaged, match=r"small/manifest\.json"):
        store.get("small")


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/../../b"])
def test_a_manifest_cannot_point_out_of_its_folder(store: ModelStore, path: str) -> None:
    model = put(store, "small")
    manifest = json.loads((model.path / "manifest.json").read_text())
    manifest["files"][0]["path"] = path
    (model.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelDamaged):
        store.check("small")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/a", ".hidden", "a b", "a..b", "-a", "x" * 97, "a\n", "é"]
)
def test_a_name_that_can_t_be_a_folder_name_is_refused(store: ModelStore, name: str) -> None:
    with pytest.raises(StoreError):
        valid_name(name)
    with pytest.raises(StoreError):
        store.get(name)


def test_names_are_derived_from_a_models_name_elsewhere() -> None:
    assert name_from("Mistral-7B-Instruct-v0.3") == "Mistral-7B-Instruct-v0.3"
    assert name_from("my model (final)") == "my-model-final"
    assert name_from("..a..b..") == "a.b"
    with pytest.raises(StoreError):
        name_from("…")
