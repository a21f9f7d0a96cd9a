"""How fast a LoRA trains on SD 1.5 and SDXL at full size, and what memory it takes.

    python benchmarks/training_speed.py                       the whole table, on a GPU
    python benchmarks/training_speed.py --family sd1 --batch 1 --steps 2        one row, anywhere

Weights are random, for speed and memory do not depend on them; latents and texts are too, as if they
came from the caches. The engine is the studio's own `fit`, with checkpoints and samples left out. The
limit is the arithmetic of a step (forward, and backward to the activations) at the rate that this very
device multiplies large bf16 matrices.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from results_page import write_section
from torch.utils.flop_counter import FlopCounterMode

from studio.bases.base_model import BaseModel
from studio.bases.conditioning import Conditioning
from studio.bases.families import FAMILIES, Family
from studio.bases.quantization import quantize
from studio.curation.settings import CaptionSettings
from studio.errors import StudioError
from studio.examples.buckets import Bucket
from studio.examples.caption_pipeline import CaptionPipeline
from studio.examples.encoding import EncodedExamples, Rendition
from studio.examples.example import Example
from studio.examples.framing import Framing
from studio.examples.latent_cache import LatentMoments
from studio.examples.loader import ExampleLoader
from studio.training.diffusion import Noised, predict
from studio.training.fit import FitSettings, fit
from studio.training.listeners import FitListener, StepReport
from studio.training.randomness import RandomStreams
from studio.training.settings import (
    BudgetSettings,
    CheckpointSettings,
    OptimizerSettings,
    PrecisionSettings,
)
from studio.training.trainer import TrainingContext
from trainers.lora.settings import LoraSettings
from trainers.lora.trainer import LoraTrainer

PUBLISHED = Path(__file__).resolve().parents[1] / "studio" / "bases" / "published"
SIDES_PX: dict[Family, int] = {"sd1": 512, "sdxl": 1024}
TITLES = {"sd1": "SD 1.5, 512 px", "sdxl": "SDXL, 1024 px"}
WIDTHS: dict[Family, tuple[int, int | None]] = {"sd1": (768, None), "sdxl": (2048, 1280)}
"""Of the text's hidden states, and of its pooled vector."""

RANK, TOKENS, WARMUP_STEPS, SEED = 16, 77, 3, 0
PROBE_SIDE = 8192
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
GIB = 1 << 30


@dataclass(frozen=True)
class Row:
    """One way of training.

    Attributes:
        base_dtype: number format of the frozen base.
        images_per_second: None where memory ran out.
        peak_bytes: on the device; 0 where it was not measured.
    """

    family: Family
    base_dtype: str
    checkpointing: bool
    batch: int
    images_per_second: float | None = None
    peak_bytes: int = 0


def main() -> None:
    options = _options()
    device = torch.device(options.device)
    rate = matmul_rate(device)
    print(f"{device_name(device)}: {rate / 1e12:.1f} TFLOP/s on bf16 matrices")
    rows: list[Row] = []
    tflop = {family: flop_a_picture(family) / 1e12 for family in options.family}
    for family, base_dtype in product(options.family, options.base_dtype):
        for checkpointing, batch in product(options.checkpointing, options.batch):
            asked = Row(family, base_dtype, bool(checkpointing), batch)
            rows.append(measured(asked, device, options.steps))
            print(_line(rows[-1], tflop[family], rate), flush=True)
    if options.write:
        write_section("training-speed", _section(rows, tflop, rate, device), options.page)


def measured(row: Row, device: torch.device, steps: int) -> Row:
    """The row with its figures: the mean of ``steps`` after the warm-up."""
    base = random_base(row.family, row.base_dtype, device)
    trainer = LoraTrainer(
        LoraSettings(rank=RANK, alpha=RANK), base, TrainingContext(SIDES_PX[row.family], SEED)
    )
    streams = RandomStreams(SEED)
    loader = ExampleLoader(_encoded(row.family, row.batch), row.batch, streams, device)
    clock = _Clock(device)
    _forget(device)
    try:
        with TemporaryDirectory() as folder:
            fit(
                trainer,
                trainer.attach(),
                loader,
                _settings(row, steps, device),
                Path(folder) / "checkpoints",
                listeners=(clock,),
            )
    except (torch.OutOfMemoryError, StudioError):
        return row
    seconds = clock.seconds[WARMUP_STEPS:]
    return replace(
        row,
        images_per_second=row.batch * len(seconds) / sum(seconds),
        peak_bytes=_peak_bytes(device),
    )


def random_base(family: Family, base_dtype: str, device: torch.device) -> BaseModel:
    """A base whose U-Net alone has weights: VAE and text encoders have left the device by now."""
    with torch.device(device):
        unet = _unet(family).to(DTYPES.get(base_dtype, torch.bfloat16))
    unet.requires_grad_(False).eval()
    if base_dtype not in DTYPES:
        quantize(unet, base_dtype)
    with torch.device("meta"):
        vae: Any = AutoencoderKL.from_config(_configuration(family, "vae"))
    absent: list[Any] = [torch.nn.Module() for _ in FAMILIES[family].text_encoders]
    return BaseModel(
        name=f"random {family}",
        family=family,
        digest="",
        resolution_px=SIDES_PX[family],
        unet=unet,
        vae=vae,
        text_encoders=absent,
        tokenizers=[],
        noise_scheduler=DDIMScheduler(beta_schedule="scaled_linear"),
    )


def flop_a_picture(family: Family) -> int:
    """Of a step that trains a LoRA: forward, and as much again backward to the activations, for weights
    that stay as they are get no gradient.
    """
    with torch.device("meta"), torch.no_grad():
        unet = _unet(family)
        side = SIDES_PX[family] // 8
        latents, time_ids = torch.zeros(1, 4, side, side), torch.zeros(1, 6)
        timesteps, text = torch.zeros(1, dtype=torch.int64), _text(family)
    base: Any = _MetaBase(unet, family)
    noised = Noised(latents, latents, timesteps, timesteps)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        predict(base, noised, text, time_ids)
    return 2 * counter.get_total_flops()


def matmul_rate(device: torch.device) -> float:
    """FLOP a second on square bf16 matrices; fp32 where there is no GPU, for its CPU has no bf16."""
    on_cpu = device.type == "cpu"
    side, dtype = (2048, torch.float32) if on_cpu else (PROBE_SIDE, torch.bfloat16)
    matrix = torch.randn(side, side, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(5):
        _synchronize(device)
        started = time.perf_counter()
        for _ in range(1 if on_cpu else 10):
            matrix @ matrix
        _synchronize(device)
        best = min(best, (time.perf_counter() - started) / (1 if on_cpu else 10))
    return 2 * side**3 / best


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


@dataclass
class _MetaBase:
    unet: Any
    family: Family


class _Clock(FitListener):
    """Seconds of each step, with the device's work done."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: list[float] = []
        self._device, self._last = device, time.perf_counter()

    def on_step(self, _report: StepReport) -> None:
        _synchronize(self._device)
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now


def _unet(family: Family) -> Any:
    return UNet2DConditionModel.from_config(_configuration(family, "unet"))


def _configuration(family: Family, part: str) -> Any:
    return UNet2DConditionModel.load_config(PUBLISHED / family / part)


def _text(family: Family) -> Conditioning:
    width, pooled = WIDTHS[family]
    return Conditioning(
        torch.randn(1, TOKENS, width), None if pooled is None else torch.randn(1, pooled)
    )


def _encoded(family: Family, count: int) -> EncodedExamples:
    """Pictures of random latents, as the caches would hold them."""
    side_px = SIDES_PX[family]
    bucket = Bucket(side_px, side_px)
    noise = torch.randn(4, side_px // 8, side_px // 8)
    shown = Rendition(
        Framing(),
        LatentMoments(noise, torch.zeros_like(noise)),
        torch.tensor([side_px, side_px, 0.0, 0.0, side_px, side_px]),
    )
    example = Example(Path("random"), "", side_px, side_px, "a picture")
    text = _text(family)
    return EncodedExamples(
        examples=[example] * count,
        buckets=[bucket] * count,
        renditions=[[shown]] * count,
        conditionings={"a picture": text, "": text},
        captions=CaptionPipeline(CaptionSettings(), 0.0, ""),
        flip_probability=0.0,
        scaling_factor=1.0,
    )


def _settings(row: Row, steps: int, device: torch.device) -> FitSettings:
    return FitSettings(
        run_name="speed",
        recipe_digest="",
        seed=SEED,
        budget=BudgetSettings(steps=WARMUP_STEPS + steps),
        optimizer=OptimizerSettings(train_batch_size=row.batch, lr_warmup_steps=0),
        precision=PrecisionSettings(
            mixed_precision="bf16" if device.type == "cuda" else "no",
            deterministic=False,
            gradient_checkpointing=row.checkpointing,
        ),
        checkpoints=CheckpointSettings(every_steps=10**9, keep=1),
    )


def _forget(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _peak_bytes(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _cells(row: Row, tflop: float, rate: float) -> Iterator[str]:
    yield from (TITLES[row.family], row.base_dtype, "yes" if row.checkpointing else "no")
    yield str(row.batch)
    if row.images_per_second is None:
        yield from ("out of memory", "", "")
        return
    yield f"{row.images_per_second:.2f}"
    yield f"{row.peak_bytes / GIB:.1f}" if row.peak_bytes else "not measured"
    yield f"{row.images_per_second * tflop * 1e12 / rate:.0%}"


def _line(row: Row, tflop: float, rate: float) -> str:
    return "  ".join(_cells(row, tflop, rate))


def _section(
    rows: Iterable[Row], tflop: dict[Family, float], rate: float, device: torch.device
) -> str:
    arithmetic = ", ".join(f"{TITLES[family]} {value:.2f}" for family, value in tflop.items())
    lines = [
        "## How fast a LoRA trains",
        "",
        f"On {device_name(device)} with torch {torch.__version__}, rank {RANK}, attention layers, "
        f"random weights, by `python benchmarks/training_speed.py --write`. Arithmetic of a step in "
        f"TFLOP a picture: {arithmetic}; the device multiplies large bf16 matrices at "
        f"{rate / 1e12:.0f} TFLOP/s, which is the limit that the last column is a share of.",
        "",
        "| base | frozen in | checkpointing | batch | images/s | peak GiB | of the limit |",
        "|---|---|---|---|---|---|---|",
        *(f"| {' | '.join(_cells(row, tflop[row.family], rate))} |" for row in rows),
    ]
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--family", nargs="+", choices=SIDES_PX, default=list(SIDES_PX))
    parser.add_argument("--base-dtype", nargs="+", default=["bf16", "nf4"])
    parser.add_argument("--checkpointing", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--page", type=Path, default=PUBLISHED.parents[2] / "docs" / "results.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
