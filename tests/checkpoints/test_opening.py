"""Opening a checkpoint is light enough for the API process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.gguf_files import write_small_gguf

from aquilon.checkpoints.opening import CheckpointError, open_checkpoint

PROBE = """
import json, resource, sys
from pathlib import Path
from aquilon.checkpoints.opening import open_checkpoint
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
checkpoint = open_checkpoint(Path(sys.argv[1]))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
heavy = [name for name in ("torch", "numpy", "gguf", "transformers", "tokenizers") if name in sys.modules]
print(json.dumps({"heavy": heavy, "kilobytes": after - before, "family": checkpoint.architecture.family}))
"""


def test_opening_imports_nothing_heavy_and_takes_little_memory(default_model_file: Path) -> None:
    command = [sys.executable, "-c", PROBE, str(default_model_file)]
    probe = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert probe["heavy"] == []
    assert probe["family"] == "llama"
    assert probe["kilobytes"] < 40_000, "two lists of fifty thousand short strings"


def test_of_several_models_in_a_folder_one_must_be_named(tmp_path: Path) -> None:
    write_small_gguf(tmp_path / "one.gguf")
    write_small_gguf(tmp_path / "two.gguf")
    with pytest.raises(CheckpointError, match=r"several GGUF models.*one\.gguf, two\.gguf"):
        open_checkpoint(tmp_path)
    assert open_checkpoint(tmp_path / "two.gguf").path == tmp_path / "two.gguf"


def test_an_image_projector_beside_a_model_is_not_taken_for_it(tmp_path: Path) -> None:
    write_small_gguf(tmp_path / "model.gguf")
    (tmp_path / "mmproj-model.gguf").write_bytes(b"something else")
    assert open_checkpoint(tmp_path).files == [tmp_path / "model.gguf"]
