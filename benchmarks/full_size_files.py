"""Files as large as published ones, of random numbers: SDXL's checkpoint, LoRAs for it, LoRAs' headers.

Names and shapes come from the models themselves, on the meta device; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from studio.adapters.adapter import Adapter, AdapterHeader
from studio.adapters.formats import format_named
from studio.adapters.names import kohya_name
from studio.adapters.original_names import VAE, original_vae_name
from studio.adapters.parameter_names import key_in_original
from studio.adapters.rework.writing import write_adapter
from studio.adapters.tensor_bytes import header_bytes

Shapes = dict[str, tuple[int, ...]]
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
TEXT_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
FEED_FORWARD = ("ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")
SPREAD = 0.02


def write_checkpoint(path: Path) -> None:
    """SDXL in the original naming, fp16, a tensor at a time: 6.9 GB."""
    shapes, position = _checkpoint_shapes(), 0
    entries: dict[str, object] = {}
    for key, shape in shapes.items():
        end = position + 2 * torch.Size(shape).numel()
        entries[key] = {"dtype": "F16", "shape": list(shape), "data_offsets": [position, end]}
        position = end
    generator = torch.Generator().manual_seed(1)
    with path.open("wb") as file:
        file.write(header_bytes({}, entries))
        for shape in shapes.values():
            values = (SPREAD * torch.randn(shape, generator=generator)).half()
            file.write(values.reshape(-1).view(torch.uint8).numpy().data)


def write_lora(path: Path, rank: int, seed: int) -> None:
    """A LoRA on all attention of SDXL's U-Net in kohya's naming, fp16."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for name, weight in _sdxl_unet().named_parameters():
        layer = name.removesuffix(".weight")
        if layer == name or not layer.endswith(ATTENTION):
            continue
        out, into = weight.shape
        down = torch.randn(rank, into, generator=generator) / into**0.5
        up = SPREAD * torch.randn(out, rank, generator=generator)
        tensors |= {f"unet.{layer}.lora_A.weight": down, f"unet.{layer}.lora_B.weight": up}
        tensors[f"unet.{layer}.alpha"] = torch.tensor([float(rank)])
    header = AdapterHeader("lora", "sdxl", "", "", "{}", title=path.stem)
    write_adapter(Adapter(header, tensors), path, format_named("lora", "kohya"), "fp16")


def write_headers(folder: Path, count: int) -> None:
    """LoRAs of rank 16 for SD 1.5 in kohya's naming, 264 layers each; their numbers are holes."""
    folder.mkdir()
    entries: dict[str, object] = {}
    position = 0
    for name, (out, into, *kernel) in _sd15_layers():
        sizes = {"lora_down.weight": (16, into, *kernel), "lora_up.weight": (out, 16, *kernel)}
        for part, shape in {**sizes, "alpha": ()}.items():
            end = position + 2 * torch.Size(shape).numel()
            places = {"dtype": "F16", "shape": list(shape), "data_offsets": [position, end]}
            entries[f"{name}.{part}"], position = places, end
    for number in range(count):
        said = {"ss_network_dim": "16", "ss_output_name": f"lora{number}"}
        start = header_bytes(said | {"ss_base_model_version": "sd_v1"}, entries)
        with (folder / f"{number:05}.safetensors").open("wb") as file:
            file.write(start)
            file.truncate(len(start) + position)


def _checkpoint_shapes() -> Shapes:
    """By the key in the file: joined queries, keys and values count once."""
    shapes: Shapes = {}
    parts: dict[str, nn.Module] = {"unet": _sdxl_unet(), **_sdxl_text_encoders()}
    for part, module in parts.items():
        for name, weight in module.named_parameters():
            neutral = f"{part}.{name.removeprefix('text_model.')}"
            key, third = key_in_original(neutral, "sdxl")
            rows, *rest = weight.shape
            is_turned = key.endswith(".text_projection")
            whole = (3 * rows, *rest) if third is not None else tuple(weight.shape)
            shapes[key] = whole[::-1] if is_turned else whole
    return shapes | dict(_vae_shapes())


def _vae_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    widths = (128, 256, 512, 512)
    with torch.device("meta"):
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * len(widths),
            up_block_types=("UpDecoderBlock2D",) * len(widths),
            block_out_channels=widths,
            layers_per_block=2,
            latent_channels=4,
        )
    for name, weight in vae.named_parameters():
        yield VAE + original_vae_name(name, len(widths)), tuple(weight.shape)


def _sdxl_unet() -> UNet2DConditionModel:
    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=128,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            block_out_channels=(320, 640, 1280),
            layers_per_block=2,
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=1280 + 6 * 256,
        )


def _sdxl_text_encoders() -> dict[str, nn.Module]:
    with torch.device("meta"):
        first = CLIPTextModel(_clip(768, 12))
        second = CLIPTextModelWithProjection(_clip(1280, 32))
    return {"text_encoder": first, "text_encoder_2": second}


def _clip(width: int, layers: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        projection_dim=width,
    )


def _sd15_layers() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Attention, feed-forward and projections of the U-Net and its text encoder, as kohya names them."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            cross_attention_dim=768, attention_head_dim=8, block_out_channels=(320, 640, 1280, 1280)
        )
        text = CLIPTextModel(_clip(768, 12))
    kinds = (*ATTENTION, *FEED_FORWARD, *TEXT_ATTENTION, "fc1", "fc2")
    for part, module in (("unet", unet), ("text_encoder", text)):
        for name, weight in module.named_parameters():
            layer = name.removesuffix(".weight")
            if layer != name and layer.endswith(kinds):
                neutral = f"{part}.{layer.removeprefix('text_model.')}"
                yield kohya_name(neutral, "sd1"), tuple(weight.shape)
