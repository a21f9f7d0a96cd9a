"""Stable Video Diffusion at a tiny size: from clips on disk to drawn clips, against diffusers itself."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKLTemporalDecoder,
    EulerDiscreteScheduler,
    StableVideoDiffusionPipeline,
    UNetSpatioTemporalConditionModel,
)
from diffusers.loaders import PeftAdapterMixin
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from studio.adapters.export import export
from studio.adapters.files import read_adapter
from studio.bases.architectures import architecture_of
from studio.bases.base_model import BaseModel
from studio.bases.identity import identify_base
from studio.bases.loading import load_base
from studio.cli.entry import exit_code
from studio.curation.clip_settings import ClipSettings
from studio.curation.clips import frames_of
from studio.curation.pipeline import curate
from studio.curation.settings import DatasetSettings
from studio.errors import BaseModelError, DatasetError, RecipeError
from studio.examples.batch import Batch
from studio.examples.encoding import encode_examples
from studio.examples.example import default_examples
from studio.examples.frame_count import for_base
from studio.examples.loader import ExampleLoader
from studio.preview.clip_sampler import sample_clips
from studio.preview.settings import SamplingSettings
from studio.recipe import Recipe
from studio.run import run
from studio.training.diffusion import denoising_loss
from studio.training.micro_batches import split
from studio.training.noise_schedule import add_noise, denoising_target, noise_levels
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams
from studio.training.trainer import TrainingContext
from trainers.lora.settings import LoraSettings
from trainers.lora.trainer import LoraTrainer

pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")  # diffusers'

SIDE_PX, FRAMES, WIDTH = 64, 4, 32
POSTERS = ["ball.png", "cube.png", "drop.png", "wave.png"]
STREAMS = RandomStreams(0)
CLIP = ClipSettings(num_frames=FRAMES)
QUICK = SamplingSettings(num_inference_steps=1, guidance_scale=2.0, seeds=(0,))


@pytest.fixture(scope="session")
def svd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusers folder with Stable Video Diffusion's module tree at tiny widths, random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        pipe = StableVideoDiffusionPipeline(
            vae=_vae(),
            image_encoder=_image_encoder(),
            unet=_unet(),
            scheduler=_scheduler(),
            feature_extractor=CLIPImageProcessor(),
        )
    folder = tmp_path_factory.mktemp("svd")
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def _base_once(svd_folder: Path) -> BaseModel:
    return load_base(str(svd_folder))


@pytest.fixture
def base(_base_once: BaseModel) -> BaseModel:
    return replace(_base_once, unet=copy.deepcopy(_base_once.unet))


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of frames, a video and a GIF; one more clip that is too short."""
    folder = tmp_path_factory.mktemp("clips")
    for number, name in enumerate(("ball", "cube", "short")):
        (folder / name).mkdir()
        for frame in range(2 if name == "short" else FRAMES):
            _frame(number, frame).save(folder / name / f"f{frame}.png")
    _write_video(folder / "drop.mp4", [_frame(5, frame) for frame in range(2 * FRAMES)])
    first, *rest = (_frame(7, frame) for frame in range(FRAMES))
    first.save(folder / "wave.gif", save_all=True, append_images=rest, duration=100)
    (folder / "notes.md").write_text("no clip")
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips are encoded once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def batch(base: BaseModel, clips: Path, cache: Path) -> Batch:
    return _loader(base, clips, cache, caption_dropout=0.0).batch(0)


def test_an_svd_folder_is_loaded_whole(svd_folder: Path, base: BaseModel) -> None:
    identity = identify_base(str(svd_folder))
    assert (identity.family, identity.resolution_px, identity.num_frames) == ("svd", 64, FRAMES)
    assert isinstance(base.unet, UNetSpatioTemporalConditionModel)
    assert base.image_encoder in base.modules
    assert not any(p.requires_grad for module in base.modules for p in module.parameters())


def test_captions_and_prompts_are_refused(base: BaseModel, tiny_base: BaseModel) -> None:
    architecture = architecture_of(base)
    with pytest.raises(BaseModelError, match="guided by a picture and reads no captions"):
        architecture.encode_captions(base, ["a cat"])
    with pytest.raises(BaseModelError, match="guided by a picture and reads no captions"):
        architecture.encode_ids(None, torch.zeros(1, 77), 1)
    with pytest.raises(BaseModelError, match="--image PICTURE"):
        architecture.pipeline(base, base.noise_scheduler)
    with pytest.raises(BaseModelError, match="draws pictures from a text, not clips"):
        architecture_of(tiny_base).clip_pipeline(tiny_base)


def test_the_prediction_is_what_diffusers_pipeline_asks_for(base: BaseModel) -> None:
    """Its inputs to the U-Net at one step of drawing, and ours for the same step, are the same."""
    pipe = architecture_of(base).clip_pipeline(base)
    pipe.set_progress_bar_config(disable=True)
    picture = _frame(0, 0)
    asked: dict[str, Any] = {}

    def watch(_: Any, positional: tuple[Any, ...], named: dict[str, Any], answer: Any) -> None:
        asked.setdefault("first", (positional, named, answer))

    hook = base.unet.register_forward_hook(watch, with_kwargs=True)
    generator = torch.Generator().manual_seed(0)
    pipe(
        picture,
        height=SIDE_PX,
        width=SIDE_PX,
        num_inference_steps=2,
        max_guidance_scale=1.0,
        noise_aug_strength=0.02,
        generator=generator,
        output_type="latent",
    )
    hook.remove()
    (inputs, timestep), named, (answer,) = asked["first"]
    pixels = (
        torch.from_numpy(np.array(picture, dtype=np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    )
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0))
    read = architecture_of(base).encode_picture(base, pixels, 0.02 * noise)
    assert read.image_latents is not None
    torch.testing.assert_close(read.hidden_states, named["encoder_hidden_states"])
    torch.testing.assert_close(read.image_latents, inputs[:, 0, 4:], atol=1e-4, rtol=1e-4)
    ours = architecture_of(base).predict(
        base, inputs[:, :, :4], timestep[None], read, named["added_time_ids"]
    )
    torch.testing.assert_close(ours, answer, atol=1e-4, rtol=1e-4)


def test_noise_levels_are_those_of_the_sampler(base: BaseModel) -> None:
    """A perfect prediction at any drawn level is what the sampler turns back into the clip itself."""
    places = torch.tensor([3.2, 500.0, 998.9], dtype=torch.float64)
    levels = noise_levels(base.noise_scheduler, places, None)
    latents, noise = torch.randn(3, FRAMES, 4, 8, 8), torch.randn(3, FRAMES, 4, 8, 8)
    noisy = add_noise(latents, noise, levels.alphas_cumprod)
    v = denoising_target(latents, noise, levels.alphas_cumprod, "v_prediction")
    sigmas = (4 * levels.timesteps).exp()[:, None, None, None, None]
    # Karras et al., 2022, with their coefficients for a data variance of 1.
    scaled = noisy * (sigmas**2 + 1).sqrt()
    torch.testing.assert_close(scaled, latents + sigmas * noise, atol=1e-3, rtol=1e-3)
    denoised = scaled / (sigmas**2 + 1) - v * sigmas / (sigmas**2 + 1).sqrt()
    torch.testing.assert_close(denoised, latents, atol=1e-3, rtol=1e-3)


def test_drawn_noise_levels_have_the_papers_distribution(base: BaseModel) -> None:
    places = torch.rand(20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    levels = noise_levels(base.noise_scheduler, 1000 * places, None)
    log_sigmas = 4 * levels.timesteps
    assert log_sigmas.mean().item() == pytest.approx(0.7, abs=0.05)
    assert log_sigmas.std().item() == pytest.approx(1.6, abs=0.05)


@pytest.mark.parametrize(
    "objective",
    [
        Objective(zero_terminal_snr=True),
        Objective(prediction_type="epsilon"),
        Objective(loss_type="huber", huber_schedule="exponential"),
    ],
)
def test_what_counts_timesteps_is_refused(base: BaseModel, objective: Objective) -> None:
    with pytest.raises(RecipeError, match="continuous scale of noise"):
        objective.require_fit(base)


def test_a_folder_of_clips_becomes_posters_that_are_judged(clips: Path) -> None:
    curated = curate(_dataset(clips), SIDE_PX)
    assert [p.name for p in curated.pictures] == POSTERS
    assert all(len(frames_of(curated.path_of(p))) == FRAMES for p in curated.pictures)
    assert any("short is left out: it has 2 frames" in f.message for f in curated.findings)
    assert curate(_dataset(clips), SIDE_PX).digest == curated.digest


def test_another_last_frame_is_another_clip(clips: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        folder = tmp_path / "one" / name
        folder.mkdir(parents=True)
        for frame in range(FRAMES):
            _frame(0, frame if name != "b" or frame < 3 else 9).save(folder / f"{frame}.png")
    digests = {p.name: p.digest for p in curate(_dataset(tmp_path / "one"), SIDE_PX).pictures}
    assert digests["a.png"] == digests["c.png"] != digests["b.png"]


def test_every_other_frame_can_be_taken(clips: Path) -> None:
    clip = ClipSettings(num_frames=FRAMES, frame_step=2)
    curated = curate(DatasetSettings(source=str(clips), clip=clip), SIDE_PX)
    assert [p.name for p in curated.pictures] == ["drop.png"]


def test_the_wrong_kind_of_folder_is_one_clear_line(
    svd_folder: Path, clips: Path, tmp_path: Path
) -> None:
    _frame(0, 0).save(tmp_path / "picture.png")
    with pytest.raises(DatasetError, match=r"no clips in .* looked for .mp4"):
        curate(_dataset(tmp_path), SIDE_PX)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"no video")
    with pytest.raises(DatasetError, match=r"holds clips and no pictures"):
        curate(str(tmp_path / "videos"), SIDE_PX)
    with pytest.raises(
        DatasetError, match=r"none of the 1 clips can be used: a.mp4 cannot be read"
    ):
        curate(_dataset(tmp_path / "videos"), SIDE_PX)
    pictures = DatasetSettings(source="x", clip=ClipSettings(fps=10))
    with pytest.raises(RecipeError, match=r"dataset.clip: pocket learns from pictures"):
        for_base(pictures, identify_base("pocket"))
    settled = for_base(DatasetSettings(source="x"), identify_base(str(svd_folder)))
    assert settled.clip.num_frames == FRAMES
    assert for_base(DatasetSettings(source="x"), identify_base("pocket")).clip == ClipSettings()


def test_a_batch_holds_frames_and_what_guides_them(batch: Batch) -> None:
    assert batch.latents.shape == (2, FRAMES, 4, 8, 8)
    assert batch.conditioning is not None
    assert batch.conditioning.image_latents is not None
    assert batch.conditioning.hidden_states.shape == (2, 1, WIDTH)
    assert batch.conditioning.image_latents.shape == (2, 4, 8, 8)
    assert batch.time_ids is not None
    torch.testing.assert_close(batch.time_ids, torch.tensor([[6, 127, 0.02]] * 2))


def test_clips_are_cached_whole(
    base: BaseModel, clips: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _loader(base, clips, cache).batch(0)
    monkeypatch.setattr(type(base.vae), "encode", None)
    again = _loader(base, clips, cache).batch(0)
    assert torch.equal(again.latents, first.latents)


def test_guidance_is_dropped_now_and_then(base: BaseModel, clips: Path, cache: Path) -> None:
    always = _loader(base, clips, cache, caption_dropout=1.0).batch(0)
    assert always.conditioning is not None
    assert always.conditioning.image_latents is not None
    assert not always.conditioning.hidden_states.any()
    assert not always.conditioning.image_latents.any()


@pytest.mark.parametrize(
    "objective",
    [
        Objective(),
        Objective(snr_gamma=5.0),
        Objective(loss_type="huber", noise_offset=0.1, multires_noise_iterations=2),
        Objective(loss_type="smooth_l1", debiased=True, input_perturbation=0.1),
    ],
)
def test_a_clip_has_one_loss_whatever_the_company(
    base: BaseModel, batch: Batch, objective: Objective
) -> None:
    loss = denoising_loss(base, batch, objective, STREAMS)
    alone = [denoising_loss(base, part, objective, STREAMS) for part in split(batch, 1)]
    torch.testing.assert_close(loss, torch.stack(alone).mean())


def test_a_lora_learns_a_fixed_batch(base: BaseModel, batch: Batch) -> None:
    trainer = LoraTrainer(LoraSettings(rank=4), base, TrainingContext(SIDE_PX, seed=0))
    parameters = [p for group in trainer.attach() for p in group.parameters.values()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2)
    losses = []
    for _ in range(8):
        loss = trainer.loss(batch, STREAMS)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.95 * losses[0]


def test_the_temporal_attention_is_adapted_and_no_convolution_over_time(base: BaseModel) -> None:
    settings = LoraSettings(rank=2, conv_rank=2)
    trainer = LoraTrainer(settings, base, TrainingContext(SIDE_PX, seed=0))
    (group,) = trainer.attach()
    assert any("temporal_transformer_blocks" in name for name in group.parameters)
    assert any("spatial_res_block.conv1" in name for name in group.parameters)
    assert not any("temporal_res_block.conv" in name for name in group.parameters)


def test_diffusers_itself_reads_the_file(base: BaseModel, tmp_path: Path) -> None:
    trainer = LoraTrainer(LoraSettings(rank=2), base, TrainingContext(SIDE_PX, seed=0))
    for group in trainer.attach():
        for number, parameter in enumerate(group.parameters.values()):
            parameter.data = 0.1 * STREAMS.normal(parameter.shape, "weights", number)
    adapter = trainer.adapter()
    inputs = _unet_inputs()
    with torch.no_grad():
        trained = base.unet(**inputs).sample
        with trainer.detached():
            (file,) = export(adapter, base, tmp_path, "x", formats=[], dtype="fp32")
            bare = base.unet(**inputs).sample
            unet = copy.deepcopy(base.unet)
    assert (file.format, file.verdict.ok) == ("diffusers", True)
    assert all(name.startswith("unet.") for name in load_file(file.path))
    (diffusers,) = file.tools
    assert not diffusers.works
    assert "PeftAdapterMixin" in diffusers.because, "what makes it work is what is said"
    unet.__class__ = type("WithLora", (UNetSpatioTemporalConditionModel, PeftAdapterMixin), {})
    with safe_open(file.path, framework="pt") as content:
        metadata = json.loads(content.metadata()["lora_adapter_metadata"])
    unet.load_lora_adapter(load_file(file.path), prefix="unet", metadata=metadata)
    with torch.no_grad():
        theirs = unet(**inputs).sample
    torch.testing.assert_close(theirs, trained, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(theirs, bare, atol=1e-3)
    read = read_adapter(file.path)
    assert read.header.family == "svd"
    with trainer.detached(), LoraTrainer.apply(read, base), torch.no_grad():
        torch.testing.assert_close(base.unet(**inputs).sample, trained, atol=1e-4, rtol=1e-4)


def test_a_clip_is_the_same_every_time(base: BaseModel) -> None:
    picture = _frame(0, 0).resize((96, 48))
    twice = [sample_clips(base, [picture], [3], QUICK, CLIP)[0] for _ in range(2)]
    assert len(twice[0]) == FRAMES
    assert twice[0][0].width > twice[0][0].height
    for first, second in zip(*twice, strict=True):
        assert first.tobytes() == second.tobytes()
    (other,) = sample_clips(base, [picture], [4], QUICK, CLIP)
    assert other[0].tobytes() != twice[0][0].tobytes()


def test_a_whole_run(svd_folder: Path, clips: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(_recipe(svd_folder, clips))
    folder = run(recipe, runs=tmp_path / "runs")
    ((file,),) = folder.adapters()
    assert read_adapter(file).header.family == "svd"
    assert folder.preview_path.is_file()
    base = load_base(str(svd_folder))
    (bare,) = sample_clips(base, [_frame(0, 0)], [0], QUICK, CLIP)
    with LoraTrainer.apply(read_adapter(file), base):
        (drawn,) = sample_clips(base, [_frame(0, 0)], [0], QUICK, CLIP)
    assert any(a.tobytes() != b.tobytes() for a, b in zip(bare, drawn, strict=True))
    with Image.open(folder.preview_path.with_suffix(".gif")) as animation:
        assert animation.n_frames == FRAMES  # type: ignore[attr-defined]
    assert list(folder.samples.glob("step-*/00.png"))
    _frame(3, 0).save(tmp_path / "first.png")
    drawing = ["--image", tmp_path / "first.png", "--steps", 1, "--out", tmp_path / "drawn.png"]
    assert exit_code([str(word) for word in ("preview", file, "--base", svd_folder, *drawing)]) == 0
    assert {"drawn.png", "drawn.gif"} <= {path.name for path in tmp_path.iterdir()}


def test_kohya_is_refused_before_anything_is_loaded(
    svd_folder: Path, clips: Path, tmp_path: Path
) -> None:
    given = _recipe(svd_folder, clips) | {"export": {"formats": ["kohya"]}}
    with pytest.raises(RecipeError, match=r"export.formats\[0\]: kohya .* there is: diffusers"):
        run(Recipe.model_validate(given), runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def _recipe(svd_folder: Path, clips: Path) -> dict[str, Any]:
    return {
        "name": "clip",
        "base_model": str(svd_folder),
        "dataset": {
            "source": str(clips),
            "validation_share": 0.25,
            "curation": {
                "min_pictures": 1,
                "keep": POSTERS,
            },
        },
        "trainer": {"kind": "lora", "rank": 2},
        "budget": {"steps": 2},
        "optimizer": {"learning_rate": 0.05, "train_batch_size": 1},
        "sampling": {"num_inference_steps": 1, "seeds": [0], "every_steps": 2},
    }


def _dataset(clips: Path, **changes: Any) -> DatasetSettings:
    return DatasetSettings(source=str(clips), clip=CLIP, **changes)


def _loader(base: BaseModel, clips: Path, cache: Path, **changes: Any) -> ExampleLoader:
    settings = _dataset(clips, **changes)
    kept = curate(settings, SIDE_PX, keep=POSTERS)
    encoded = encode_examples(default_examples(kept, ""), base, settings, cache, encode_text=True)
    return ExampleLoader(encoded, 2, STREAMS, torch.device("cpu"))


def _unet_inputs() -> dict[str, Tensor]:
    return {
        "sample": STREAMS.normal((1, FRAMES, 8, 8, 8), "sample", 0),
        "timestep": torch.tensor([0.3]),
        "encoder_hidden_states": STREAMS.normal((1, 1, WIDTH), "states", 0),
        "added_time_ids": torch.tensor([[6.0, 127.0, 0.02]]),
    }


def _frame(clip: int, frame: int) -> Image.Image:
    """A disc that moves to the right before a background with structure."""
    down, across = np.mgrid[0:SIDE_PX, 0:SIDE_PX]
    pixels = np.stack([across * (clip + 2) % 200, down * (clip + 3) % 200, across + down], axis=-1)
    disc = (across - 12 - 9 * frame) ** 2 + (down - 8 * (clip % 5) - 16) ** 2 < 90
    pixels[disc] = (250, 40 * clip % 250, 30)
    return Image.fromarray(pixels.astype(np.uint8))


def _write_video(path: Path, frames: list[Image.Image]) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 8, (SIDE_PX, SIDE_PX))
    for frame in frames:
        writer.write(np.array(frame)[:, :, ::-1].copy())
    writer.release()


def _unet() -> UNetSpatioTemporalConditionModel:
    return UNetSpatioTemporalConditionModel(
        sample_size=SIDE_PX // 8,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        num_attention_heads=(2, 4),
        addition_time_embed_dim=32,
        projection_class_embeddings_input_dim=96,
        num_frames=FRAMES,
    )


def _vae() -> AutoencoderKLTemporalDecoder:
    return AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        layers_per_block=1,
        sample_size=SIDE_PX,
    )


def _image_encoder() -> CLIPVisionModelWithProjection:
    config = CLIPVisionConfig(
        hidden_size=WIDTH,
        projection_dim=WIDTH,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=224,
        patch_size=56,
    )
    return CLIPVisionModelWithProjection(config)


def _scheduler() -> EulerDiscreteScheduler:
    """As Stable Video Diffusion was published."""
    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        interpolation_type="linear",
        use_karras_sigmas=True,
        sigma_min=0.002,
        sigma_max=700.0,
        timestep_spacing="leading",
        timestep_type="continuous",
        steps_offset=1,
    )
