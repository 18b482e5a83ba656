"""The curated list: facts that can be checked without a network."""

from __future__ import annotations

from itertools import pairwise

import pytest

from aquilon.checkpoints.pull_hub import parse_hub_source
from aquilon.checkpoints.suggest import Suggestion, all_suggestions, good_starts, suggest

GB = 10**9


@pytest.mark.parametrize("model", all_suggestions(), ids=lambda model: model.title)
def test_an_entry_is_complete_and_plausible(model: Suggestion) -> None:
    assert model.source.startswith("hf:")
    assert parse_hub_source(model.source.removeprefix("hf:"))
    bytes_a_parameter = model.download_bytes / model.parameters
    assert (0.5 < bytes_a_parameter < 1.1) if model.source.endswith(".gguf") else (1.9 < bytes_a_parameter < 2.1)
    assert model.languages
    assert model.license == model.license.lower()


def test_a_larger_machine_gets_at_least_what_a_smaller_one_gets() -> None:
    sizes = [{model.title for model in suggest(memory * GB)} for memory in (4, 8, 16, 32, 512)]
    assert all(smaller <= larger for smaller, larger in pairwise(sizes))
    assert len(sizes[-1]) == len(all_suggestions())


def test_the_first_start_names_quick_models_where_there_is_no_gpu() -> None:
    without, with_gpu = good_starts(64 * GB, gpu=False), good_starts(64 * GB, gpu=True)
    assert all(model.download_bytes < 6 * GB for model in without)
    assert max(model.parameters for model in with_gpu) > max(model.parameters for model in without)
    assert len(without) == len(with_gpu) == 3
    assert good_starts(3 * GB, gpu=False)
