"""Stage ``report``: the figures of pocket's model card, measured on the shipped weights.

Reconstruction: PSNR over scenes of the glyphs that the autoencoder never saw.

Prompt following: pictures drawn from glyph names are compared with every glyph's own picture by colour
layout and edge orientation (`appearance`), a measure that no part of pocket was trained on; a hit has
the prompt's glyph among the five nearest of all.

The judge: how often the vision tower, which measures prompt following, finds a picture's own caption.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import (
    StableDiffusionPipeline,
)
from PIL import Image
from skimage.color import rgb2lab
from skimage.feature import hog
from skimage.metrics import peak_signal_noise_ratio

from studio.bases.pocket.make.glyphs import glyphs
from studio.bases.pocket.make.judge import CANDIDATES, captioned, judge_top1
from studio.bases.pocket.make.scenes import Scene, random_scene, to_array
from studio.bases.pocket.make.stage import rng_for
from studio.evaluation.clip_scorer import ClipScorer

SEED = 9
PROMPTS = 200
STEPS = 25
GUIDANCE = 4.0
TOP = 5
TRIGGER = "flat icon"


@dataclass(frozen=True)
class PocketReport:
    """What `make pocket-report` prints.

    Attributes:
        psnr_held_out_db: mean over ``held_out_glyphs`` scenes.
        retrieval_top5, retrieval_top1: share of ``prompts`` pictures, in [0, 1].
        chance_top5: what pictures drawn at random would reach.
        text_top5, text_top5_behind_trigger: share of glyph names whose text has its glyph's picture
            among the five nearest of all in CLIP space, bare and behind ``TRIGGER``.
        judge_top1_own: share of pocket's own pictures, those drawn for ``prompts``, that CLIP matches
            to their own prompt out of ``judge_candidates``, in [0, 1].
        judge_top1_flat_icons: the same for the real pictures of the sample set flat-icons and their
            captions behind ``TRIGGER``.
    """

    psnr_held_out_db: float
    held_out_glyphs: int
    retrieval_top5: float
    retrieval_top1: float
    chance_top5: float
    text_top5: float
    text_top5_behind_trigger: float
    judge_top1_own: float
    judge_top1_flat_icons: float
    judge_candidates: int
    prompts: int
    glyphs: int


def measure(weights: Path, flat_icons: Path, sheet: Path | None = None) -> PocketReport:
    """Measure the pipeline in ``weights``; draw a contact sheet where ``sheet`` says so.

    Args:
        flat_icons: the folder of that sample set.

    Raises:
        DatasetError: it is not there.
    """
    icons, captions = captioned(flat_icons)
    pipeline = StableDiffusionPipeline.from_pretrained(weights).to(torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    psnr = reconstruction(pipeline.vae)
    everything = glyphs()
    chosen = sorted(rng_for(SEED, 0).choice(len(everything), PROMPTS, replace=False).tolist())
    names = [everything[i].name for i in chosen]
    pictures = draw(pipeline, names)
    scorer = ClipScorer.load(weights / "clip")
    found = [text_finds_glyph(scorer, prefix) for prefix in ("", f"{TRIGGER}, ")]
    references = np.stack([appearance(Scene(g).draw()) for g in everything])
    ranks = [rank(appearance(p), references, i) for p, i in zip(pictures, chosen, strict=True)]
    if sheet:
        contact_sheet(pictures, ranks).save(sheet, optimize=True)
    return PocketReport(
        psnr_held_out_db=round(float(np.mean(psnr)), 2),
        held_out_glyphs=len(psnr),
        retrieval_top5=float(np.mean([r < TOP for r in ranks])),
        retrieval_top1=float(np.mean([r < 1 for r in ranks])),
        chance_top5=round(TOP / len(everything), 4),
        text_top5=found[0],
        text_top5_behind_trigger=found[1],
        judge_top1_own=judge_top1(scorer, pictures, names),
        judge_top1_flat_icons=judge_top1(scorer, icons, [f"{TRIGGER}, {c}" for c in captions]),
        judge_candidates=CANDIDATES,
        prompts=PROMPTS,
        glyphs=len(everything),
    )


def text_finds_glyph(scorer: ClipScorer, prefix: str) -> float:
    """Share of glyphs whose picture is among the five nearest, of all, to ``prefix`` + name."""
    pictures = scorer.embed_pictures([Scene(g).draw() for g in glyphs()])
    texts = scorer.embed_texts([prefix + g.name for g in glyphs()])
    similarity = texts @ pictures.T
    better = (similarity > np.diag(similarity)[:, None]).sum(1)
    return round(float((better < TOP).mean()), 3)


@torch.no_grad()
def reconstruction(vae: AutoencoderKL) -> list[float]:
    """PSNR in dB of one scene for each held-out glyph, pictures in [0, 1]."""
    figures = []
    for glyph in glyphs():
        if glyph.held_out:
            scene = to_array(random_scene(glyph, rng_for(SEED, glyph.index)).draw())
            latents = vae.encode(torch.from_numpy(scene)[None]).latent_dist.mean
            decoded = vae.decode(latents).sample[0].clamp(-1, 1).numpy()
            figures.append(peak_signal_noise_ratio(scene / 2, decoded / 2, data_range=1.0))
    return figures


def draw(
    pipeline: StableDiffusionPipeline, prompts: list[str], batch: int = 20
) -> list[Image.Image]:
    """One picture a prompt, each with a seed of its own."""
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        generators = [torch.Generator().manual_seed(start + i) for i in range(len(part))]
        pictures += pipeline(
            part,
            height=128,
            width=128,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=generators,
        ).images
    return pictures


def appearance(picture: Image.Image) -> np.ndarray:
    """Colour layout (Lab on an 8 x 8 grid) beside edge orientations (HOG on an 8 x 8 grid), each
    block centred and scaled to unit length.
    """
    small = picture.convert("RGB").resize((8, 8), Image.Resampling.BOX)
    colour = rgb2lab(np.asarray(small)).ravel() - np.tile([75.0, 0.0, 0.0], 64)
    edges = hog(
        np.asarray(picture.convert("L"), np.float32) / 255,
        orientations=8,
        pixels_per_cell=(16, 16),
        cells_per_block=(2, 2),
    )
    return np.concatenate([v / (np.linalg.norm(v) + 1e-6) for v in (colour, edges)])


def rank(feature: np.ndarray, references: np.ndarray, index: int) -> int:
    """How many references are nearer to the picture than the one it should show."""
    similarity = references @ feature
    return int((similarity > similarity[index]).sum())


def contact_sheet(pictures: list[Image.Image], ranks: list[int], columns: int = 20) -> Image.Image:
    """All pictures at half size; those that count as hits have a green frame."""
    side, gap = 64, 4
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (side + gap), rows * (side + gap)), "white")
    for i, (picture, place) in enumerate(zip(pictures, ranks, strict=True)):
        frame = Image.new("RGB", (side + 2, side + 2), "#2da44e" if place < TOP else "#d0d7de")
        frame.paste(picture.resize((side, side), Image.Resampling.LANCZOS), (1, 1))
        sheet.paste(frame, (i % columns * (side + gap) + 1, i // columns * (side + gap) + 1))
    return sheet
