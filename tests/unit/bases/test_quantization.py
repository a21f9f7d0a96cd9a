"""Linear layers in few bits: what they compute, what they keep, and that gradients come through."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from studio.bases import quantization as quantizing
from studio.bases.base_model import BaseModel
from studio.bases.identity import identify_base
from studio.bases.loading import load_base
from studio.bases.placement import weight_bytes
from studio.bases.quantization import LAYERS, Quantization, QuantizedLinear, quantize
from studio.examples.tensor_store import module_digest

ERROR = {"int8": 0.01, "nf4": 0.12}
BITS = {"int8": 8.5, "nf4": 4.5}

each = pytest.mark.parametrize("quantization", ["int8", "nf4"])


def linear(width: int = 128, out: int = 96) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(width, out).requires_grad_(False)


@each
def test_a_layer_computes_with_its_weight_rounded(quantization: Quantization) -> None:
    whole = linear()
    layer = LAYERS[quantization](whole)
    inputs = torch.randn(2, 7, 128)
    error = (layer.weight - whole.weight).abs().mean() / whole.weight.abs().mean()
    assert 0 < error < ERROR[quantization]
    expected = functional.linear(inputs, layer.weight, whole.bias)
    for training in (True, False):
        torch.testing.assert_close(layer.train(training)(inputs), expected)
    assert not list(layer.parameters())[1:]  # the bias alone


@each
def test_gradients_come_through_and_nothing_is_kept_for_them(quantization: Quantization) -> None:
    layer = LAYERS[quantization](linear())
    inputs = torch.randn(2, 7, 128, requires_grad=True)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = layer(inputs)
    upstream = torch.randn_like(output)
    output.backward(upstream)
    assert kept == []
    assert inputs.grad is not None
    torch.testing.assert_close(inputs.grad, upstream @ layer.weight)


@each
def test_autocast_has_the_last_word_on_the_format(quantization: Quantization) -> None:
    layer = LAYERS[quantization](linear())
    inputs = torch.randn(3, 128, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(inputs)
    output.float().sum().backward()
    assert output.dtype == torch.bfloat16
    assert inputs.grad is not None
    assert inputs.grad.dtype == torch.float32
    assert layer(inputs.detach().bfloat16()).dtype == torch.bfloat16


@each
def test_the_code_survives_other_number_formats(quantization: Quantization) -> None:
    layer = LAYERS[quantization](linear())
    before, bias = layer.weight, layer.bias
    assert torch.equal(layer.to(torch.float16).to(torch.float32).weight, before)
    assert torch.equal(copy.deepcopy(layer).weight, before)
    assert torch.equal(layer.bias, bias)


@each
def test_one_layer_at_a_time_is_there_twice(
    quantization: Quantization, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = nn.Sequential(*(nn.Sequential(linear(), nn.GELU(), linear(96, 128)) for _ in range(5)))
    weights = [
        weakref.ref(layer.weight) for layer in module.modules() if isinstance(layer, nn.Linear)
    ]
    before, alive = weight_bytes([module]), []
    kind = LAYERS[quantization]

    def counted(layer: nn.Linear) -> QuantizedLinear:
        alive.append(sum(weight() is not None for weight in weights))
        return kind(layer)

    monkeypatch.setitem(quantizing.LAYERS, quantization, counted)
    quantize(module, quantization)
    assert alive == list(range(10, 0, -1))
    assert weight_bytes([module]) < before * (BITS[quantization] + 2) / 32
    assert all(
        isinstance(layer, kind) for layer in module.modules() if isinstance(layer, nn.Linear)
    )


@each
def test_a_base_loads_quantized_from_a_folder(quantization: Quantization, saved_base: Path) -> None:
    base = load_base(str(saved_base), quantization=quantization)
    whole = load_base(str(saved_base))
    assert base.digest == identify_base(str(saved_base)).digest
    for part in (base.unet, base.text_encoder):
        kinds = {type(layer) for layer in part.modules() if isinstance(layer, nn.Linear)}
        assert kinds == {LAYERS[quantization]}
        assert {p.dtype for p in part.parameters()} == {torch.float32}
        assert not part.training
        assert not any(p.requires_grad for p in part.parameters())
    assert module_digest(base.vae) == module_digest(whole.vae)
    # The rest is the file's to the bit.
    assert torch.equal(base.unet.conv_in.weight, whole.unet.conv_in.weight)
    half = load_base(str(saved_base), dtype=torch.bfloat16, quantization=quantization)
    assert half.unet.dtype == half.text_encoder.dtype == torch.bfloat16
    assert half.vae.dtype == torch.float32


def test_a_single_file_loads_quantized(
    tiny_sdxl: BaseModel,
    tmp_path: Path,
    tiny_sdxl_folder: Path,
    in_original_naming: Callable[[BaseModel], dict[str, Tensor]],
) -> None:
    file = tmp_path / "xl.safetensors"
    save_file(in_original_naming(tiny_sdxl), file)
    (tmp_path / "xl").symlink_to(tiny_sdxl_folder)
    single, folder = (load_base(str(path), quantization="nf4") for path in (file, tiny_sdxl_folder))
    for part in ("unet", "text_encoder", "vae"):
        assert module_digest(getattr(single, part)) == module_digest(getattr(folder, part))


def test_each_format_has_caches_of_its_own(tiny_base: BaseModel) -> None:
    """Text is kept by the digest of what encoded it; quantized weights count with their scales."""
    encoder: nn.Module = tiny_base.text_encoder
    digests = {module_digest(encoder), module_digest(copy.deepcopy(encoder).bfloat16())}
    for quantization in LAYERS:
        quantized = copy.deepcopy(encoder)
        quantize(quantized, quantization)
        digests.add(module_digest(quantized))
        scales = next(m for m in quantized.modules() if isinstance(m, LAYERS[quantization])).scales
        scales.add_(1)  # type: ignore[operator]
        digests.add(module_digest(quantized))
    assert len(digests) == 6
