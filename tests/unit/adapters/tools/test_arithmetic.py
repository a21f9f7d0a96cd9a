"""The readings in which tools differ, each worked out on paper."""

from __future__ import annotations

import pytest
import torch

from studio.adapters.tools.arithmetic import (
    LYCORIS,
    Decomposition,
    Rules,
    change_of,
    columns_of_changed,
    rows_of_changed,
    rows_of_original,
)

WEIGHT = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
ADDED = torch.tensor([[0.0, 4.0], [0.0, 1.0]])
# Changed: rows (3, 4) and (0, 2), of lengths 5 and 2; columns (3, 0) and (4, 2), of lengths 3 and √20.
ROWS = torch.tensor([[10.0], [6.0]])
COLUMNS = torch.tensor([[6.0, 20.0**0.5]])


@pytest.mark.parametrize(
    ("decomposed", "scale", "expected"),
    [
        (rows_of_changed, ROWS, [[6, 8], [0, 6]]),  # 10 / 5 and 6 / 2 of the changed rows
        (rows_of_original, ROWS, [[10, 40 / 3], [0, 12]]),  # 10 / 3 and 6 / 1
        (rows_of_original, COLUMNS, [[6, 4], [0, 2]]),  # 6 / 3 and 1 of the changed columns
        # 10 / 3 and 10 / √20 in the first row, 6 / 3 and 6 / √20 in the second
        (columns_of_changed, ROWS, [[10, 40 / 20**0.5], [0, 12 / 20**0.5]]),
        (columns_of_changed, COLUMNS, [[6, 4], [0, 2]]),
    ],
)
def test_three_readings_of_a_dora(
    decomposed: Decomposition, scale: torch.Tensor, expected: list[list[float]]
) -> None:
    torch.testing.assert_close(
        decomposed(WEIGHT, ADDED, scale), torch.tensor(expected, dtype=torch.float32)
    )


def test_a_convolution_is_decomposed_over_its_kernel_too() -> None:
    weight, added = torch.zeros(2, 3, 2, 2), torch.ones(2, 3, 2, 2)
    scale = torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1)
    lengths = rows_of_changed(weight, added, scale).flatten(1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.tensor([1.0, 2.0]))


def test_scales_of_a_dora_are_left_where_they_are_not_known() -> None:
    found = {"lora_down.weight": torch.ones(1, 2), "lora_up.weight": torch.ones(2, 1)}
    found["dora_scale"] = ROWS
    plain = change_of(found, WEIGHT, Rules(decomposed=None))
    assert plain is not None
    assert plain(WEIGHT).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("rules", "alpha", "turn"),
    [
        (LYCORIS, 0.0, 1.0),
        (LYCORIS, 2.0, 1.0),  # Q's length √2 is below 2 times two rows
        (LYCORIS, 0.125, 0.25 / 2**0.5),  # and held to 0.125 times two
        (Rules(None, limit_grows=False), 0.125, 0.125 / 2**0.5),
        (Rules(None, limit_grows=False), 0.0, 1.0),
    ],
)
def test_a_rotation_and_its_limit(rules: Rules, alpha: float, turn: float) -> None:
    """Q = [[0, q], [-q, 0]] turns by twice the angle whose tangent is q."""
    found = {"oft_blocks": torch.tensor([[[0.0, 1.0], [0.0, 0.0]]]), "alpha": torch.tensor(alpha)}
    change = change_of(found, WEIGHT, rules)
    assert change is not None
    angle = 2 * torch.atan(torch.tensor(turn))
    rotation = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    torch.testing.assert_close(WEIGHT + change(WEIGHT), rotation @ WEIGHT)


def test_rotations_that_do_not_fit_make_up_no_change() -> None:
    for shape in ((1, 3, 3), (2, 2, 2), (2, 2), (1, 2, 3)):
        assert change_of({"oft_blocks": torch.ones(shape)}, WEIGHT, LYCORIS) is None
    fitting = {"oft_blocks": torch.ones(1, 2, 2)}
    assert change_of(fitting, WEIGHT, Rules(None, turns=False)) is None
