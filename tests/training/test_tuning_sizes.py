"""How a fine-tuning is cut into steps, where the job doesn't say."""

from __future__ import annotations

from typing import Any

from tests.support.random_transformers import random_architecture

from aquilon.training.protocol import Dpo, Lora, Sft, Training
from aquilon.training.tuning_sizes import TuningSizes, lora_parameters, tuning_sizes

ARCHITECTURE = random_architecture(max_context=4096)


def _sizes(job: Sft | Dpo, *, tokens: int, longest: int, rows: int | None = None) -> TuningSizes:
    return tuning_sizes(job, ARCHITECTURE, tokens=tokens, longest=longest, rows=rows, context=4096)


def _sft(**more: Any) -> Sft:
    return Sft(model="m", data=["d"], **more)


def test_a_step_has_eight_rows_that_ranks_can_share() -> None:
    sizes = _sizes(_sft(), tokens=10**7, longest=900)
    assert (sizes.row_tokens, sizes.rows_per_step) == (1024, 8)


def test_rows_hold_the_longest_conversation() -> None:
    sizes = _sizes(_sft(), tokens=10**7, longest=4000)
    assert (sizes.row_tokens, sizes.rows_per_step) == (4096, 2)
    longer = _sizes(_sft(training=Training(batch_tokens=2048)), tokens=10**6, longest=3000)
    assert (longer.row_tokens, longer.rows_per_step) == (3000, 1)


def test_small_data_is_read_in_about_fifty_steps() -> None:
    sizes = _sizes(_sft(), tokens=20_000, longest=100)
    assert 40 <= (sizes.steps(_sft(), 20_000 // sizes.row_tokens) or 0) <= 60


def test_more_tokens_a_step_are_more_rows_in_eights() -> None:
    job = _sft(training=Training(batch_tokens=65_536))
    sizes = _sizes(job, tokens=10**7, longest=3000)
    assert sizes.rows_per_step % 8 == 0
    assert sizes.row_tokens * sizes.rows_per_step <= 1.1 * 65_536


def test_a_step_of_pairs_has_four_at_least() -> None:
    assert _sizes(Dpo(model="m", data=["d"]), tokens=4000, longest=100, rows=40).rows_per_step == 4


def test_adapters_learn_tenfold_and_preferences_carefully() -> None:
    rate = _sizes(_sft(), tokens=10**6, longest=10).learning_rate
    assert _sizes(_sft(lora=Lora()), tokens=10**6, longest=10).learning_rate == 10 * rate
    assert _sizes(Dpo(model="m", data=["d"]), tokens=10**6, longest=10, rows=9).learning_rate == rate / 20


def test_an_adapters_weights_are_counted() -> None:
    of_queries = 2 * 4 * (64 + 64)  # two layers, rank 4
    assert lora_parameters(ARCHITECTURE, Lora(rank=4, targets=["q_proj"])) == of_queries
