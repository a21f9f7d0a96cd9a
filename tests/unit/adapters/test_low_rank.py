"""The algebra of low ranks, held against torch's own singular values of the whole matrix."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from studio.adapters.rework.low_rank import (
    Product,
    Truncation,
    concatenated,
    decomposed,
    decomposed_whole,
)
from studio.errors import AdapterError

# (out, in, kernel, rank); in the last the rank is above both sides.
SHAPES = [(12, 7, (), 4), (7, 12, (), 4), (6, 4, (3, 3), 5), (8, 8, (1, 1), 3), (5, 4, (), 9)]


def random_product(out: int, width: int, kernel: tuple[int, ...], rank: int) -> Product:
    generator = torch.Generator().manual_seed(out + rank)
    up = torch.randn(out, rank, *[1] * len(kernel), generator=generator)
    return Product(up, torch.randn(rank, width, *kernel, generator=generator), scale=-0.7)


def whole(product: Product) -> Tensor:
    flat = product.scale * product.up.flatten(1).double() @ product.down.flatten(1).double()
    return flat.reshape(product.shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_products_values_are_those_of_the_whole_matrix(shape: tuple[int, ...]) -> None:
    product = random_product(*shape)
    matrix = whole(product).flatten(1)
    found = decomposed(product)
    values = torch.linalg.svdvals(matrix)
    torch.testing.assert_close(found.values, values[: len(found.values)], atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(values[len(found.values) :].sum().item(), 0.0, atol=1e-9, rtol=0)
    assert found.energy == pytest.approx(matrix.square().sum().item())
    assert product.energy == pytest.approx(matrix.square().sum().item())
    again = found.cut(len(found.values))
    torch.testing.assert_close(whole(again), whole(product), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_error_is_what_was_cut_off(shape: tuple[int, ...]) -> None:
    product = random_product(*shape)
    values = torch.linalg.svdvals(whole(product).flatten(1))
    cut = decomposed(product).cut(2)
    assert cut.shape == product.shape
    assert len(cut.down) == 2
    error = torch.linalg.vector_norm(whole(cut) - whole(product))
    assert error.item() == pytest.approx(torch.linalg.vector_norm(values[2:]).item(), rel=1e-5)
    assert error > 0.1
    torch.testing.assert_close(cut.up.norm(), cut.down.norm())


@pytest.mark.parametrize("keep", [0.3, 0.8, 0.95, 1.0])
def test_the_fewest_values_that_keep_a_share(keep: float) -> None:
    found = decomposed(random_product(12, 9, (), 6))
    rank = found.rank_for(Truncation(keep=keep))
    assert found.kept(rank) >= keep - 1e-9
    assert rank == 1 or found.kept(rank - 1) < keep
    assert found.rank_for(Truncation(rank=1, keep=keep)) == 1


def test_a_share_of_everything_is_the_true_rank() -> None:
    product = random_product(12, 9, (), 3)
    padded = Product(
        torch.cat([product.up, product.up], 1), torch.cat([product.down, product.down]), 1.0
    )
    assert decomposed(padded).rank_for(Truncation(keep=1.0)) == 3


@pytest.mark.parametrize("shape", [(12, 7), (7, 12), (6, 4, 3, 3)])
def test_of_a_whole_change_the_energy_counts_what_is_left_out(shape: tuple[int, ...]) -> None:
    change = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(change.flatten(1))
    found = decomposed_whole(change, most=3)
    torch.testing.assert_close(found.values, values[:3].double(), atol=1e-5, rtol=1e-5)
    expected = values[:3].square().sum() / values.square().sum()
    assert found.kept(3) == pytest.approx(expected.item(), rel=1e-5)
    assert found.kept(3) < 0.95
    assert found.rank_for(Truncation(keep=0.99)) == 3  # as much as there is
    assert found.cut(3).shape == shape


def test_nothing_has_one_value_of_zero() -> None:
    found = decomposed_whole(torch.zeros(4, 3))
    assert found.rank_for(Truncation(keep=0.9)) == 1
    assert found.kept(1) == 1.0
    assert not whole(found.cut(1)).any()


def test_products_side_by_side_are_their_sum() -> None:
    products = [random_product(6, 4, (3, 3), rank) for rank in (2, 3)]
    total = concatenated(products)
    assert (total.up.shape, total.down.shape) == ((6, 5, 1, 1), (5, 4, 3, 3))
    expected = whole(products[0]) + whole(products[1])
    torch.testing.assert_close(whole(total), expected, atol=1e-5, rtol=1e-5)
    # A layer of 1x1 convolutions is in some files a linear one.
    linear, convolution = random_product(8, 8, (), 2), random_product(8, 8, (1, 1), 3)
    assert concatenated([linear, convolution]).shape == (8, 8)
    for other in (random_product(6, 5, (3, 3), 2), random_product(5, 4, (3, 3), 2)):
        with pytest.raises(AdapterError, match=r"\(6, 4, 3, 3\)"):
            concatenated([products[0], other])


@pytest.mark.parametrize(
    ("rank", "keep"), [(None, None), (0, None), (None, 0.0), (4, 1.5), (None, float("nan"))]
)
def test_no_place_to_cut(rank: int | None, keep: float | None) -> None:
    with pytest.raises(AdapterError, match="give"):
        Truncation(rank, keep)
