"""Every kind of adapter, in every format, for every family, in every number format: there and back.

A cell exports (which verifies), reads the file again, and holds what the adapter read *does* to the base
against what the one written does; where diffusers has a loader, diffusers applies the file too.

The bases have every kind of layer that the published models have, at reduced width; a test holds that
against the published configurations. Their depth is reduced too for SDXL (3 transformer blocks for 10, 4
text layers for 32); plain LoRA goes through the tree at its full depth as well, in fp16.
"""

from __future__ import annotations

import copy
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers as untyped_diffusers
import pytest
import torch
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
from diffusers.utils import logging as diffusers_logging
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection
from transformers.utils import logging as transformers_logging

from studio.adapters.adapter import Adapter
from studio.adapters.embedding_vectors import is_word
from studio.adapters.export import ExportedFile, export
from studio.adapters.extraction import extract, extraction_rank
from studio.adapters.files import read_adapter
from studio.adapters.formats import Format, formats
from studio.adapters.hypernetwork_network import ContextNetwork, networks_of, structure_of
from studio.adapters.lora_layers import trained_changes
from studio.adapters.readback import live_layers
from studio.adapters.tensor_bytes import Dtype
from studio.adapters.whole_weights import named_parameters
from studio.bases.base_model import BaseModel
from studio.bases.library_words import no_progress_bars
from studio.training.lora.layers import LoraLayers
from studio.training.lora.settings import LoraWeights

pytestmark = pytest.mark.usefixtures("no_tool_verdicts")

FAMILIES = ("sd1", "sd2", "sdxl")
DTYPES: tuple[Dtype, ...] = ("fp32", "fp16", "bf16")
VARIANTS: dict[str, tuple[str, ...]] = {
    "lora": ("lora", "locon", "dora"),
    "loha": ("loha",),
    "lokr": ("lokr",),
    "oft": ("oft",),
    "diag_oft": ("diag_oft",),
    "full": ("full",),
    "hypernetwork": ("hypernetwork",),
    "textual_inversion": ("textual_inversion",),
    "pivotal": ("pivotal",),
}
"""The rows of each kind; a kind without one fails."""
KNOWN = tuple(formats())  # as the studio has them, whatever a plugin of another test adds
# Half a unit in the last place, as a share of the number.
ROUNDING = {"fp32": 2.0**-24, "fp16": 2.0**-11, "bf16": 2.0**-8}
# A change is a product of two rounded factors or four, or an inverse of rounded ones; errors add up.
BOUNDS = {dtype: 8 * share for dtype, share in ROUNDING.items()}
OF_ADDING = (
    1e-4  # fp32's rounding where diffusers adds a small change to a weight, then it is taken off
)
diffusers: Any = untyped_diffusers
SCHEDULER = diffusers.DDIMScheduler(steps_offset=1, clip_sample=False)  # diffusers warns of others
WORD, WORD_TOKEN = "m", "<m>"
PROJECTION = "mid_block.attentions.0.proj_in.weight"
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
CONVOLUTIONS = ("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv")
TEXT = ("q_proj", "k_proj", "v_proj", "out_proj")
UNET = ("attn1.to_q", "attn2.to_k", "attn2.to_out.0", "ff.net.0.proj", "proj_in")
ALL_OF_UNET = (*ATTENTION, "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out", *CONVOLUTIONS)
Effect = dict[str, Tensor]
"""What an adapter does, by the part of the base that it does it to."""
Make = Callable[[str, BaseModel], Adapter]


# --- bases ------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _tiny_sd2_once(_tiny_base_once: BaseModel) -> BaseModel:
    """SD 2.x: linear projections, heads by level, and open_clip's text encoder of 23 layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        # Not by from_config, which takes the default for what the first one left at it.
        config = {k: v for k, v in _tiny_base_once.unet.config.items() if not k.startswith("_")}
        config |= {"use_linear_projection": True, "attention_head_dim": (2, 4, 4, 4)}
        unet = diffusers.UNet2DConditionModel(**config)
        text = copy.deepcopy(_tiny_base_once.text_encoder.config)
        text.num_hidden_layers, text.hidden_act = 23, "gelu"
        text_encoder = CLIPTextModel(CLIPTextConfig(**text.to_dict()))
    return with_parts(_tiny_base_once, "sd2", unet, [text_encoder])


@pytest.fixture(scope="session")
def bases(
    _tiny_base_once: BaseModel, _tiny_sd2_once: BaseModel, _tiny_sdxl_once: BaseModel
) -> dict[str, BaseModel]:
    """One for each family; tests read them only."""
    return {"sd1": _tiny_base_once, "sd2": _tiny_sd2_once, "sdxl": _tiny_sdxl_once}


@pytest.fixture(scope="session")
def full_depth_sdxl(_tiny_sdxl_once: BaseModel) -> BaseModel:
    """As many layers as SDXL has, of few channels."""
    once = _tiny_sdxl_once
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        config = {**once.unet.config, "transformer_layers_per_block": (1, 2, 10)}
        second = copy.deepcopy(once.text_encoders[1].config)
        second.num_hidden_layers = 32
        unet = diffusers.UNet2DConditionModel.from_config(config)
        text_encoder = CLIPTextModelWithProjection(second)
    return with_parts(once, "sdxl", unet, [once.text_encoders[0], text_encoder])


@pytest.fixture(scope="session")
def wide_bases(bases: dict[str, BaseModel]) -> dict[str, BaseModel]:
    """With the true width of text: a ``.pt`` has no header, so its width tells the family."""
    return {
        family: with_parts(base, family, base.unet, [wide_text_encoder(base, width)])
        for family, width in (("sd1", 768), ("sd2", 1024))
        for base in [bases[family]]
    } | {"sdxl": bases["sdxl"]}


def wide_text_encoder(base: BaseModel, width: int) -> CLIPTextModel:
    config = copy.deepcopy(base.text_encoder.config)
    config.hidden_size, config.num_hidden_layers, config.intermediate_size = width, 1, 8
    with torch.random.fork_rng(devices=[]):
        return CLIPTextModel(config)


def with_parts(base: BaseModel, family: Any, unet: Any, text_encoders: list[Any]) -> BaseModel:
    for module in (unet, *text_encoders):
        module.requires_grad_(False).eval()
    return replace(base, family=family, unet=unet, text_encoders=text_encoders)


# --- adapters ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _made() -> dict[tuple[str, str, int], Adapter]:
    return {}


@pytest.fixture
def make(lora: Any, whole: Any, _made: dict[tuple[str, str, int], Adapter]) -> Make:
    """An adapter of random values of one variant on a base; each is made once."""
    makers: dict[str, Callable[[BaseModel], Adapter]] = {
        "lora": lambda base: lora(base, unet_targets=UNET, text_targets=TEXT),
        "locon": lambda base: lora(base, unet_targets=CONVOLUTIONS, text_targets=()),
        "dora": lambda base: lora(base, unet_targets=("attn2.to_k", "conv1"), use_dora=True),
        "loha": lambda base: lycoris(base, lora, "loha"),
        "lokr": lambda base: lycoris(base, lora, "lokr"),
        "oft": lambda base: lycoris(base, lora, "oft"),
        "diag_oft": lambda base: lycoris(base, lora, "diag_oft"),
        "full": lambda base: whole(base, train_text_encoder=True, extracted_rank=4),
        "attention": lambda base: only_attention(whole(base, extracted_rank=4)),
        "hypernetwork": lambda base: hypernetwork(base, lora),
        "textual_inversion": lambda base: words(base, lora),
        "pivotal": lambda base: pivotal(base, lora),
    }

    def made(variant: str, base: BaseModel) -> Adapter:
        key = variant, base.family, base.text_encoder.config.hidden_size
        if key not in _made:
            _made[key] = makers[variant](base)
        return _made[key]

    return made


def only_attention(adapter: Adapter) -> Adapter:
    """As if nothing else had trained."""
    kept = {n: t for n, t in adapter.tensors.items() if "attn2.to_k" in n or "conv1.weight" in n}
    return replace(adapter, tensors=kept)


def of_kind(
    base: BaseModel, lora: Any, kind: str, tensors: dict[str, Tensor], **more: Any
) -> Adapter:
    """An adapter with the usual header."""
    header = lora(base, unet_targets=("mid_block.attentions.0.proj_in",), text_targets=()).header
    settings = json.dumps({"kind": kind, **more.pop("settings", {})})
    return Adapter(replace(header, kind=kind, settings=settings, **more), tensors)


def lycoris(base: BaseModel, lora: Any, variant: str) -> Adapter:
    """Of the trainer's own layers, their values moved off the identity."""
    rank = {"loha": 2, "lokr": 2, "oft": 4, "diag_oft": 4}[variant]
    targets = {"target_modules": ["attn2.to_k", "proj_in"], "text_target_modules": ["q_proj"]}
    convolutions = {} if "oft" in variant else {"conv_rank": 2}
    settings = {"variant": variant, "rank": rank, **targets, **convolutions}
    weights = LoraWeights.model_validate(settings)
    own = replace(
        base, unet=copy.deepcopy(base.unet), text_encoders=copy.deepcopy(base.text_encoders)
    )
    layers = LoraLayers(weights, own, ["unet", *own.named_text_encoders], seed=1)
    generator = torch.Generator().manual_seed(5)
    for group in layers.param_groups():
        for parameter in group.parameters.values():
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    stated = weights.model_dump(mode="json")
    return of_kind(base, lora, variant, layers.tensors(), settings=stated, method="lora")


def hypernetwork(base: BaseModel, lora: Any) -> Adapter:
    settings = {
        "layer_structure": [1, 2, 1],
        "activation_func": "relu",
        "add_layer_norm": True,
        "activate_output": False,
    }
    structure = structure_of(json.dumps(settings))
    generator = torch.Generator().manual_seed(6)
    tensors = {
        f"{width}.{side}.{key}": 0.3 * torch.randn(tensor.shape, generator=generator)
        for width in sorted(context_widths(base))
        for side in (0, 1)
        for key, tensor in ContextNetwork(width, structure).state_dict().items()
    }
    return of_kind(base, lora, "hypernetwork", tensors, settings=settings, method="hypernetwork")


def context_widths(base: BaseModel) -> set[int]:
    return {
        module.in_features
        for name, module in base.unet.named_modules()
        if name.endswith(".to_k") and isinstance(module, nn.Linear)
    }


def words(base: BaseModel, lora: Any) -> Adapter:
    generator = torch.Generator().manual_seed(7)
    tensors = {
        f"{part}.{WORD}": torch.randn(3, encoder.config.hidden_size, generator=generator)
        for part, encoder in base.named_text_encoders.items()
    }
    kind = "textual_inversion"
    return of_kind(base, lora, kind, tensors, trigger=WORD, method=kind)


def pivotal(base: BaseModel, lora: Any) -> Adapter:
    tensors = words(base, lora).tensors | lora(base, unet_targets=("attn2.to_k",)).tensors
    return of_kind(base, lora, "pivotal", tensors, trigger=WORD, method="textual_inversion")


# --- what an adapter does -----------------------------------------------------------------------------


def weights_of(base: BaseModel) -> Effect:
    return {
        f"{part}.{name.removeprefix('text_model.')}": weight.detach()
        for part, name, weight in live_layers(base)
    }


def effect(adapter: Adapter, base: BaseModel) -> Effect:
    """Each weight's change, each context's, or the vectors, by the kind that the adapter says it is."""
    match adapter.header.kind:
        case "full":
            live = named_parameters(base)
            return {name: tensor - live[name] for name, tensor in adapter.tensors.items()}
        case "hypernetwork":
            return context_changes(adapter)
        case "textual_inversion":
            return dict(adapter.tensors)
        case "pivotal":
            vectors = {n: t for n, t in adapter.tensors.items() if is_word(n)}
            rest = {n: t for n, t in adapter.tensors.items() if n not in vectors}
            return vectors | weight_changes(Adapter(adapter.header, rest), base)
        case _:
            return weight_changes(adapter, base)


def weight_changes(adapter: Adapter, base: BaseModel) -> Effect:
    weights = weights_of(base)
    return {path: change(weights[path]) for path, change in trained_changes(adapter).items()}


@torch.no_grad()
def context_changes(adapter: Adapter) -> Effect:
    generator = torch.Generator().manual_seed(8)
    return {
        f"{width}.{side}": network(torch.randn((5, width), generator=generator))
        for width, pair in networks_of(adapter).items()
        for side, network in enumerate(pair)
    }


def wanted_effect(adapter: Adapter, base: BaseModel, known: Format) -> Effect:
    """What a file in that format can do at best."""
    if known.name == "extracted":
        return effect(extract(adapter, base, extraction_rank(adapter)).adapter, base)
    return effect(adapter, base)


def largest_difference(got: Effect, wanted: Effect, base: BaseModel) -> float:
    """As a share of the part's largest change; of whole weights, of the weight: that is what is rounded."""
    assert got.keys() == wanted.keys()
    live = named_parameters(base)

    def size(name: str) -> float:
        weight = live.get(name)
        whole = 0.0 if weight is None else (weight + wanted[name]).abs().max().item()
        return max(wanted[name].abs().max().item(), whole)

    return max((got[n] - w).abs().max().item() / size(n) for n, w in wanted.items())


# --- the matrix ---------------------------------------------------------------------------------------


def cells() -> list[Any]:
    return [
        pytest.param(known, variant, family, dtype, id=f"{variant}-{known.name}-{family}-{dtype}")
        for family in FAMILIES
        for known in KNOWN
        for variant in VARIANTS.get(known.kind, ())
        for dtype in DTYPES
    ]


def written(
    known: Format, adapter: Adapter, base: BaseModel, folder: Path, dtype: Dtype
) -> ExportedFile:
    (file,) = export(adapter, base, folder, WORD, formats=[known.name], dtype=dtype)
    return file


def test_every_kind_has_a_row() -> None:
    assert {known.kind for known in KNOWN} == VARIANTS.keys()
    assert len(cells()) >= len(KNOWN) * len(FAMILIES) * len(DTYPES)


@pytest.mark.parametrize(("known", "variant", "family", "dtype"), cells())
def test_what_is_written_is_read(  # noqa: PLR0917 - the matrix has four sides
    known: Format,
    variant: str,
    family: str,
    dtype: Dtype,
    make: Make,
    bases: dict[str, BaseModel],
    wide_bases: dict[str, BaseModel],
    tmp_path: Path,
) -> None:
    is_headless = (known.kind, known.name) == ("textual_inversion", "a1111_pt")
    base = (wide_bases if is_headless else bases)[family]
    # Singular values of every layer would take longer than all the rest.
    adapter = make("attention" if known.name == "extracted" else variant, base)
    file = written(known, adapter, base, tmp_path, dtype)
    assert (file.verdict.ok, file.verdict.dtype) == (True, dtype)
    again = read_adapter(file.path)
    assert again.header.family == family
    wanted, got = wanted_effect(adapter, base, known), effect(again, base)
    assert all(change.abs().max() > 1e-3 for change in wanted.values())
    difference = largest_difference(got, wanted, base)
    assert difference <= BOUNDS[dtype]
    # Numbers of full length do not survive a shorter format: it was not fp32 that was written.
    assert (difference > ROUNDING["fp32"]) == (dtype != "fp32")


def test_the_full_depth_of_sdxl(
    full_depth_sdxl: BaseModel, lora: Any, tmp_path: Path, quiet: None
) -> None:
    adapter: Adapter = lora(full_depth_sdxl, unet_targets=ALL_OF_UNET, text_targets=TEXT)
    linear = [n for n in adapter.tensors if n.endswith("lora_A.weight") and "conv" not in n]
    assert len(linear) == 986 - 2 * (12 + 32)  # all that the field's files have but fc1 and fc2
    for known in (k for k in KNOWN if k.kind == "lora"):
        file = written(known, adapter, full_depth_sdxl, tmp_path, "fp16")
        wanted, got = (effect(a, full_depth_sdxl) for a in (adapter, read_adapter(file.path)))
        assert 0 < largest_difference(got, wanted, full_depth_sdxl) <= BOUNDS["fp16"]


def layer_kinds(*parts: nn.Module) -> set[str]:
    """The names of all modules with weights, without numbers."""
    return {
        re.sub(r"\d+", "N", name.removeprefix("text_model."))
        for part in parts
        for name, _ in part.named_parameters()
    }


def test_the_small_trees_have_every_kind_of_layer(
    bases: dict[str, BaseModel], meta_sdxl_unet: nn.Module
) -> None:
    with torch.device("meta"):
        plain = diffusers.UNet2DConditionModel(cross_attention_dim=768)
        linear = diffusers.UNet2DConditionModel(
            cross_attention_dim=1024, use_linear_projection=True
        )
        text, second = (
            CLIPTextModel(CLIPTextConfig()),
            CLIPTextModelWithProjection(CLIPTextConfig()),
        )
    true: dict[str, tuple[Any, ...]] = {
        "sd1": (plain, text),
        "sd2": (linear, text),
        "sdxl": (meta_sdxl_unet, text, second),
    }
    for family, parts in true.items():
        base = bases[family]
        assert layer_kinds(base.unet, *base.text_encoders) == layer_kinds(*parts)
    projections = [base.unet.get_parameter(PROJECTION).dim() for base in bases.values()]
    assert projections == [4, 2, 2]  # convolutions in SD 1.x alone


# --- diffusers ------------------------------------------------------------------------------------------


@pytest.fixture
def quiet() -> Iterator[None]:
    """What the libraries remark on loading is not what is tested here."""
    levels = diffusers_logging.get_verbosity(), transformers_logging.get_verbosity()
    diffusers_logging.set_verbosity(logging.ERROR)
    transformers_logging.set_verbosity(logging.ERROR)
    with no_progress_bars():
        yield
    diffusers_logging.set_verbosity(levels[0])
    transformers_logging.set_verbosity(levels[1])


def pipeline_of(base: BaseModel) -> Any:
    """A pipeline of diffusers on a copy of the base."""
    parts: dict[str, Any] = {
        "unet": copy.deepcopy(base.unet),
        "vae": base.vae,
        "text_encoder": copy.deepcopy(base.text_encoder),
        "tokenizer": copy.deepcopy(base.tokenizers[0]),
        "scheduler": SCHEDULER,
    }
    if base.family == "sdxl":
        parts["text_encoder_2"] = copy.deepcopy(base.text_encoders[1])
        parts["tokenizer_2"] = copy.deepcopy(base.tokenizers[1])
        return diffusers.StableDiffusionXLPipeline(**parts, add_watermarker=False)
    absent = {"safety_checker": None, "feature_extractor": None}
    return diffusers.StableDiffusionPipeline(**parts, **absent, requires_safety_checker=False)


def parts_of(pipe: Any, base: BaseModel) -> BaseModel:
    """The base with what a pipeline has in its place."""
    names = ("text_encoder", "text_encoder_2")[: len(base.text_encoders)]
    return replace(base, unet=pipe.unet, text_encoders=[getattr(pipe, name) for name in names])


LORA_FILES = [("lora", "kohya"), ("locon", "kohya"), ("lora", "diffusers"), ("locon", "diffusers")]
LORA_FILES += [("dora", "diffusers")]
# What a number format does to a file's numbers, it does in every family.
IN_DIFFUSERS: list[tuple[str, Dtype]] = [
    *(("sd1", dtype) for dtype in DTYPES),
    ("sd2", "fp16"),
    ("sdxl", "fp16"),
]
LORA_CELLS = [(*file, *cell) for file in LORA_FILES for cell in IN_DIFFUSERS]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("variant", "name", "family", "dtype"), LORA_CELLS)
def test_diffusers_applies_a_lora(  # noqa: PLR0917
    variant: str,
    name: str,
    family: str,
    dtype: Dtype,
    make: Make,
    bases: dict[str, BaseModel],
    tmp_path: Path,
) -> None:
    base = bases[family]
    adapter = make(variant, base)
    known = next(k for k in KNOWN if (k.kind, k.name) == ("lora", name))
    file = written(known, adapter, base, tmp_path, dtype)
    pipe = pipeline_of(base)
    pipe.load_lora_weights(str(file.path))
    pipe.fuse_lora()
    wanted, before = effect(adapter, base), weights_of(base)
    after = weights_of(parts_of(pipe, base))
    for path, weight in before.items():
        change = after[path] - weight
        if path in wanted:
            allowed = (BOUNDS[dtype] + OF_ADDING) * (weight + wanted[path]).abs().max()
            assert (change - wanted[path]).abs().max() <= allowed, path
            assert change.abs().max() > 2 * allowed, path
        else:
            assert not change.any(), path


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["a1111", "diffusers", "a1111_pt"])
def test_diffusers_knows_a_word(  # noqa: PLR0917
    name: str,
    family: str,
    dtype: Dtype,
    make: Make,
    bases: dict[str, BaseModel],
    tmp_path: Path,
) -> None:
    base = bases[family]
    adapter = make("textual_inversion", base)
    known = next(k for k in KNOWN if (k.kind, k.name) == ("textual_inversion", name))
    file = written(known, adapter, base, tmp_path, dtype)
    pipe = pipeline_of(base)
    load_word(pipe, file.path, family)
    loaded = parts_of(pipe, base)
    tokenizers = [pipe.tokenizer, getattr(pipe, "tokenizer_2", None)]
    for (part, encoder), tokenizer in zip(
        loaded.named_text_encoders.items(), tokenizers, strict=False
    ):
        assert tokenizer is not None
        ids = tokenizer.convert_tokens_to_ids([WORD_TOKEN, f"{WORD_TOKEN}_1", f"{WORD_TOKEN}_2"])
        assert min(ids) >= len(base.tokenizers[0])
        vectors = adapter.tensors[f"{part}.{WORD}"]
        rows = encoder.get_input_embeddings().get_parameter("weight").detach()[ids]
        off = (rows - vectors).abs().max().item() / vectors.abs().max().item()
        assert off <= ROUNDING[dtype]
        assert (off > 0) == (dtype != "fp32")


def load_word(pipe: Any, path: Path, family: str) -> None:
    """As diffusers' documentation says; for SDXL each encoder's vectors by themselves."""
    if family != "sdxl":
        pipe.load_textual_inversion(str(path.parent), weight_name=path.name, token=WORD_TOKEN)
        return
    is_pickled = path.suffix == ".pt"
    state = torch.load(path, weights_only=True) if is_pickled else load_file(path)
    for key, number in (("clip_l", ""), ("clip_g", "_2")):
        pipe.load_textual_inversion(
            {WORD_TOKEN: state[key]},
            text_encoder=getattr(pipe, f"text_encoder{number}"),
            tokenizer=getattr(pipe, f"tokenizer{number}"),
        )


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("family", "dtype"), IN_DIFFUSERS)
def test_diffusers_loads_a_whole_model(
    family: str, dtype: Dtype, make: Make, bases: dict[str, BaseModel], tmp_path: Path
) -> None:
    base = bases[family]
    adapter = make("full", base)
    one, folder = (
        written(known, adapter, base, tmp_path, dtype).path
        for known in KNOWN
        if known.kind == "full" and known.name != "extracted"
    )
    is_xl = family == "sdxl"
    pipe: Any = diffusers.StableDiffusionXLPipeline if is_xl else diffusers.StableDiffusionPipeline
    whole = pipe.from_pretrained(folder, scheduler=SCHEDULER, local_files_only=True)
    for loaded in (parts_of(whole, base), from_one_file(one, folder, base)):
        found = named_parameters(loaded)
        assert found.keys() == adapter.tensors.keys()
        before = named_parameters(base)
        for name, tensor in adapter.tensors.items():
            off = (found[name] - tensor).abs().max().item()
            assert off <= ROUNDING[dtype] * tensor.abs().max().item(), name
            assert (tensor - before[name]).abs().max().item() > 4 * off, name


def from_one_file(path: Path, configs: Path, base: BaseModel) -> BaseModel:
    """Part by part through diffusers' loader for single files, offline."""
    options = {"config": str(configs), "local_files_only": True}
    unet = diffusers.UNet2DConditionModel.from_single_file(
        load_file(path), subfolder="unet", **options
    )
    vae = diffusers.AutoencoderKL.from_single_file(load_file(path), subfolder="vae", **options)
    for name, weight in vae.named_parameters():  # written along, untrained
        kept = base.vae.get_parameter(name)
        assert (weight - kept).abs().max() <= 0.01 * kept.abs().max()
    convert: Any = create_diffusers_clip_model_from_ldm
    text_encoders = [
        convert(type(encoder), load_file(path), subfolder=part, **options)
        for part, encoder in base.named_text_encoders.items()
    ]
    return replace(base, unet=unet, text_encoders=text_encoders)
