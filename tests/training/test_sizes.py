"""One dial sizes a model and its training."""

from __future__ import annotations

import pytest

from aquilon.training import sizes
from aquilon.training.protocol import Size, Training


@pytest.mark.parametrize(("depth", "millions"), [(4, 5), (6, 13), (8, 28), (12, 82), (20, 385)])
def test_depth_decides_the_size(depth: int, millions: int) -> None:
    built = sizes.architecture(Size(depth=depth), 8192)
    assert built.num_layers == depth
    assert built.hidden_size == 64 * depth
    assert built.parameters() / 1e6 == pytest.approx(millions, rel=0.15)


def test_every_choice_can_be_overridden() -> None:
    size = Size(
        depth=3,
        context=256,
        hidden_size=128,
        intermediate_size=320,
        num_heads=4,
        num_kv_heads=1,
        tied_embeddings=False,
    )
    built = sizes.architecture(size, 1000)
    chosen = (built.max_context, built.hidden_size, built.intermediate_size, built.num_heads, built.num_kv_heads)
    assert chosen == (256, 128, 320, 4, 1)
    assert not built.tied_embeddings


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"num_heads \(3\) must be a multiple of num_kv_heads \(2\)"):
        sizes.architecture(Size(num_heads=3, num_kv_heads=2), 1000)


def test_a_step_has_the_same_rows_on_any_number_of_ranks() -> None:
    built = sizes.architecture(Size(depth=6), 8192)
    assert {sizes.rows_per_step(Training(), built, context=512, ranks=ranks) for ranks in (1, 2, 4, 8)} == {32}


def test_ranks_that_cannot_share_a_step_evenly_are_refused() -> None:
    built = sizes.architecture(Size(depth=6), 8192)
    with pytest.raises(ValueError, match="a step has 32 rows of 512 tokens: 5 ranks can't share them evenly"):
        sizes.rows_per_step(Training(), built, context=512, ranks=5)


def test_how_long_is_said_in_steps_minutes_or_epochs() -> None:
    built = sizes.architecture(Size(depth=6), 8192)

    def steps(**length: float) -> int | None:
        training = Training(**length)  # type: ignore[arg-type]
        return sizes.steps(training, built, batch_tokens=1000, epoch_tokens=50_000)

    assert steps(steps=7) == 7
    assert steps(minutes=2) is None
    assert steps(epochs=2) == 100
    assert steps() == round(20 * built.parameters() / 1000)


def test_a_deep_narrow_base_takes_steps_as_our_own_model_of_its_weight_does() -> None:
    ours = sizes.architecture(Size(depth=30), 8192)
    narrow = sizes.architecture(Size(depth=30, hidden_size=576), 8192)  # SmolLM2-135M's layers
    assert sizes.rows_per_step(Training(), ours, context=1024, ranks=1) == 2048
    assert sizes.rows_per_step(Training(), narrow, context=1024, ranks=1) == 64
