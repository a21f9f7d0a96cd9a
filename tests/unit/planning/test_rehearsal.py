"""A run without memory beside the same run with it."""

from __future__ import annotations

import bitsandbytes.functional as bnb
import pytest
import torch

from studio.bases.base_model import BaseModel
from studio.examples.batch import Batch
from studio.examples.buckets import Bucket
from studio.planning.counting import Counter
from studio.planning.imagining import imagined, named_modules, put_on
from studio.planning.rehearsal import rehearse
from studio.recipe import Recipe
from studio.registry import plugin
from studio.training.base_format import training_format
from studio.training.environment import module_mode
from studio.training.randomness import RandomStreams
from studio.training.trainer import TrainingContext

from .conftest import RecipeOf, emptied

CPU = torch.device("cpu")
SQUARE = Bucket(64, 64)


def really_saved_bytes(recipe: Recipe, base: BaseModel) -> int:
    """What autograd keeps for the backward pass in a real step, the model's own weights aside."""
    trainer = plugin(recipe.trainer.kind).load()(
        recipe.trainer, base, TrainingContext(64, 0, recipe.trigger)
    )
    trainer.attach()
    own = {p.untyped_storage().data_ptr() for m in base.modules for p in m.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    size = recipe.optimizer.train_batch_size
    batch = Batch(
        torch.zeros(size, 4, 8, 8), None, ["a"] * size, [*range(size)], [0] * size, torch.ones(size)
    )
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t)
    with module_mode(base.unet, training=True), hooks:
        loss = trainer.loss(batch, RandomStreams(0))
    assert loss.isfinite()
    return sum(storage.nbytes() for storage in kept.values())


def test_activations_are_those_of_a_real_step(recipe_of: RecipeOf, small_base: BaseModel) -> None:
    recipe = recipe_of("optimizer.train_batch_size=4")
    skeleton = emptied(small_base)
    saved = really_saved_bytes(recipe, small_base)
    found = rehearse(recipe, skeleton, SQUARE, CPU)
    activations = found.step_bytes - found.resting_bytes
    # Beside what is kept, a step holds what it is working on.
    assert saved < activations < 1.25 * saved


def test_more_pictures_take_more_and_checkpointing_takes_less(
    recipe_of: RecipeOf, skeleton: BaseModel
) -> None:
    def step(*changes: str) -> int:
        found = rehearse(recipe_of(*changes), skeleton, SQUARE, CPU)
        return found.step_bytes - found.resting_bytes

    four = step("optimizer.train_batch_size=4")
    assert 1.6 * step("optimizer.train_batch_size=2") < four
    assert (
        step("optimizer.train_batch_size=4", "precision.gradient_checkpointing=true") < 0.6 * four
    )


@pytest.mark.parametrize("kind", ["textual_inversion", "hypernetwork"])
def test_every_method_can_be_rehearsed(recipe_of: RecipeOf, skeleton: BaseModel, kind: str) -> None:
    found = rehearse(recipe_of(trainer={"kind": kind}), skeleton, SQUARE, CPU)
    assert 0 < found.trained_bytes == found.adapter_bytes
    assert found.step_work.matmul_flops > 0 < found.drawing.work.conv_flops
    assert all(p.is_meta for module in skeleton.modules for p in module.parameters())


def test_whole_weights_cost_their_copies_gradients_and_moments(
    recipe_of: RecipeOf, skeleton: BaseModel
) -> None:
    unet = sum(4 * p.numel() for p in skeleton.unet.parameters())
    trainer = {"kind": "dreambooth", "weights": "full"}
    found = rehearse(recipe_of(trainer=trainer), skeleton, SQUARE, CPU)
    assert found.trained_bytes == unet
    base = sum(found.part_bytes.values())
    assert found.resting_bytes == pytest.approx(base + 3 * unet, rel=0.02)
    assert found.step_bytes > base + 4 * unet


@pytest.mark.parametrize(
    ("number_format", "share"), [("nf4", 4.13 / 32), ("int8", 8 / 32), ("bf16", 0.5)]
)
def test_a_base_in_few_bits_is_small(
    recipe_of: RecipeOf, skeleton: BaseModel, number_format: str, share: float
) -> None:
    recipe = recipe_of(f"precision.base_dtype={number_format}")
    linear = torch.nn.Linear(512, 512, bias=False, device="meta")
    skeleton.unet = torch.nn.Sequential(linear)  # type: ignore[assignment]
    with imagined(CPU):
        put_on(skeleton, CPU, training_format(recipe.precision, CPU))
        unet = named_modules(skeleton)["unet"]
        tensors = [*unet.parameters(), *unet.buffers()]
        taken = sum(t.numel() * t.element_size() for t in tensors)
    assert taken == pytest.approx(4 * 512 * 512 * share, rel=0.03)


def test_codes_made_in_a_rehearsal_are_not_used_after_it(
    recipe_of: RecipeOf, skeleton: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bitsandbytes makes the table of its 8-bit code once in a process; imagined, it has no numbers."""
    monkeypatch.delitem(bnb.name2qmap, "dynamic", raising=False)
    numbers = training_format(recipe_of("precision.base_dtype=nf4").precision, CPU)
    with imagined(CPU):
        put_on(skeleton, CPU, numbers)
    linear = torch.nn.Sequential(torch.nn.Linear(64, 64))
    numbers.finish("unet", linear)
    assert linear(torch.ones(1, 64)).isfinite().all()


def test_storages_count_while_they_live() -> None:
    with Counter("cpu", by_onednn=False) as counter, counter.phase() as phase:
        first = torch.zeros(1000)
        same = first.view(10, 100)
        second = same + 1
        del first, same
        third = second * 2
        del second
    assert (phase.before_bytes, phase.peak_bytes, phase.after_bytes) == (0, 8000, 4000)
    assert phase.work.moved_bytes >= 16_000
    del third
    assert counter.live_bytes == 0
