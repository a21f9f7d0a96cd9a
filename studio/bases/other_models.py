"""Files that are often taken for a Stable Diffusion checkpoint: told by their tensors' names. No torch."""

from __future__ import annotations

from collections.abc import Iterable

_UNSUPPORTED = "which is not supported; give one of Stable Diffusion 1.x, 2.x or XL"
# Any name that holds one of the fragments tells; the first line that fits counts. From the names that
# the models' own code gives, as `diffusers.loaders.single_file_utils` lists them.
_KINDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("joint_blocks.",), f"a Stable Diffusion 3 model, {_UNSUPPORTED}"),
    (("double_blocks.", "single_transformer_blocks."), f"a Flux model or kin, {_UNSUPPORTED}"),
    (("edm_mean",), f"a Playground 2.5 model, {_UNSUPPORTED}"),
    (("effnet_mapper.", "clip_txt_mapper."), f"a Stable Cascade model, {_UNSUPPORTED}"),
    (("double_layers.",), f"an AuraFlow model, {_UNSUPPORTED}"),
    (("motion_modules.",), "an AnimateDiff motion module, no base model"),
    (("double_stream_blocks.",), f"a HiDream model, {_UNSUPPORTED}"),
    (("cap_embedder.", "caption_projection.", "patchify_proj."), f"a transformer, {_UNSUPPORTED}"),
    (("cross_attn.kv_linear.", "head.modulation"), f"a transformer, {_UNSUPPORTED}"),
    (("control_model.", "controlnet_", "input_hint_block."), "a ControlNet, no base model"),
    (
        ("lora_", ".lora.", "hada_", "lokr_", "oft_"),
        "an adapter, no base model; give it where adapters are given",
    ),
)
_UNET_OF_DIFFUSERS = ("down_blocks.0.resnets.0.norm1.weight", "conv_in.weight")
_VAE = ("encoder.conv_in.weight", "decoder.conv_in.weight")


def other_model(names: Iterable[str]) -> str:
    """What else a file is, as a clause that says what to do; nothing where it is not known."""
    names = set(names)
    for fragments, what in _KINDS:
        if any(fragment in name for name in names for fragment in fragments):
            return what
    if names.issuperset(_UNET_OF_DIFFUSERS):
        return (
            "a U-Net alone, in diffusers' naming; give the folder with model_index.json that it is "
            "a part of, or a whole checkpoint"
        )
    if names.issuperset(_VAE):
        return "a VAE alone; give a whole checkpoint, and this one as base.vae"
    return ""
