"""The webuis' names of samplers, and the schedulers of diffusers that draw like them.

A name says solver and noise levels in one, as A1111 wrote it up to version 1.8 and pictures' metadata
still do; newer ones have two menus, whose words stand here one behind the other: "DPM++ 2M" and
"Karras". The mapping is diffusers' own
(https://huggingface.co/docs/diffusers/api/schedulers/overview), with what the webuis set beside it:

- Noise levels are k-diffusion's ``get_sigmas``: evenly spaced timesteps from the last to the first;
  with "Karras" those of Karras et al. (2022, arXiv 2206.00364) with rho 7, with "Exponential" evenly
  spaced logarithms.
- A base with zero terminal SNR (Lin et al., 2023, arXiv 2305.08891) has an infinite noise level at its
  end, which a solver in noise levels cannot divide by. It gets a signal of `LEAST_SIGNAL`, a noise
  level of 100. Diffusers and A1111 take one of about 4000; Euler draws the same from both, but
  solvers of second order overshoot from there: with "Heun" pocket drew noise.
- "DPM++ SDE" evaluates the U-Net twice a step, as there.
- UniPC is of order 3 and variant bh1, A1111's defaults.

Stochastic ones ("a", "SDE", "LCM") draw fresh noise in every step. It comes from the picture's own
generator, so the picture is the same in every batch; it is not the webuis' noise, for those draw it
on the graphics card, and for "SDE" from a Brownian tree. No torch before a scheduler is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from studio.bases.base_model import BaseModel

SchedulerWord = Literal[
    "DDIM",
    "Euler a",
    "Euler",
    "Euler Karras",
    "Heun",
    "Heun Karras",
    "LMS",
    "LMS Karras",
    "DPM2",
    "DPM2 Karras",
    "DPM2 a",
    "DPM2 a Karras",
    "DPM++ 2M",
    "DPM++ 2M Karras",
    "DPM++ 2M Exponential",
    "DPM++ 2M SDE",
    "DPM++ 2M SDE Karras",
    "DPM++ 2M SDE Exponential",
    "DPM++ SDE",
    "DPM++ SDE Karras",
    "DEIS",
    "UniPC",
    "LCM",
]
WORDS: tuple[str, ...] = get_args(SchedulerWord)
NOISE_LEVELS = {"Karras": "use_karras_sigmas", "Exponential": "use_exponential_sigmas"}
LEAST_SIGNAL = 1e-4
LCM_STEPS = 50  # that a latent consistency model was distilled from


@dataclass(frozen=True)
class Solver:
    """A scheduler of diffusers.

    Attributes:
        class_name: in ``diffusers``.
        options: beside what the base says of its noise.
        own_timesteps: it spaces timesteps otherwise than k-diffusion, and takes them where given.
        evaluations: of the U-Net in a step, as far as diffusers counts each as a step.
    """

    class_name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    own_timesteps: bool = False
    evaluations: int = 1


_LINSPACE = {"timestep_spacing": "linspace", "steps_offset": 1}
_SDE = {"algorithm_type": "sde-dpmsolver++"}
SOLVERS: dict[str, Solver] = {
    "Euler a": Solver("EulerAncestralDiscreteScheduler", _LINSPACE),
    "Euler": Solver("EulerDiscreteScheduler", _LINSPACE),
    "Heun": Solver("HeunDiscreteScheduler", _LINSPACE),
    "LMS": Solver("LMSDiscreteScheduler", _LINSPACE),
    "DPM2": Solver("KDPM2DiscreteScheduler", _LINSPACE),
    "DPM2 a": Solver("KDPM2AncestralDiscreteScheduler", _LINSPACE),
    "DPM++ 2M": Solver("DPMSolverMultistepScheduler", _LINSPACE, own_timesteps=True),
    "DPM++ 2M SDE": Solver("DPMSolverMultistepScheduler", _LINSPACE | _SDE, own_timesteps=True),
    "DPM++ SDE": Solver(
        "DPMSolverSinglestepScheduler",
        _SDE | {"lower_order_final": True},
        own_timesteps=True,
        evaluations=2,
    ),
    "DEIS": Solver("DEISMultistepScheduler", _LINSPACE),
    "UniPC": Solver(
        "UniPCMultistepScheduler",
        # Its last step is to the lowest noise level, as there; to none at all bh1 divides by zero.
        _LINSPACE | {"solver_order": 3, "solver_type": "bh1", "final_sigmas_type": "sigma_min"},
    ),
    "LCM": Solver("LCMScheduler", {"steps_offset": 1}),
}


def scheduler_word(given: str) -> str:
    """The name as it is written here, whatever its case; underscores count as spaces.

    Raises:
        ValueError: there is none of that name.
    """
    known = {word.lower(): word for word in WORDS}
    wanted = " ".join(given.replace("_", " ").lower().split())
    if wanted in known:
        return known[wanted]
    close = get_close_matches(wanted, known, n=1, cutoff=0.5)
    hint = f'did you mean "{known[close[0]]}"?' if close else f"there are: {', '.join(WORDS)}"
    raise ValueError(f'"{given}" is no scheduler that is known here; {hint}')


def scheduler_for(base: BaseModel, word: str = "DDIM") -> Any:
    """The scheduler of that name for the base's noise.

    DDIM keeps the base's configuration whole, timestep spacing included. Latents are never clipped:
    that option is for pixels.

    Raises:
        ValueError: there is none of that name.
    """
    word = scheduler_word(word)
    return _ddim(base) if word == "DDIM" else _solver(base, word)


def _ddim(base: BaseModel) -> Any:
    from diffusers import DDIMScheduler

    noise_scheduler: Any = base.noise_scheduler  # diffusers' types leave its configuration out
    return DDIMScheduler.from_config(  # type: ignore[no-untyped-call]
        noise_scheduler.config, clip_sample=False, thresholding=False, steps_offset=1
    )


def _solver(base: BaseModel, word: str) -> Any:
    import diffusers

    name, _, last = word.rpartition(" ")
    levels = {NOISE_LEVELS[last]: True} if last in NOISE_LEVELS else {}
    solver = SOLVERS[name if levels else word]
    scheduler = getattr(diffusers, solver.class_name)(**_noise(base), **solver.options, **levels)
    return _as_the_webuis_step(scheduler, solver, keeps_levels=bool(levels))


def _noise(base: BaseModel) -> dict[str, Any]:
    """What the base says of its noise, with a finite level at the end."""
    noise_scheduler: Any = base.noise_scheduler
    config = noise_scheduler.config
    keys = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas")
    noise = {key: config[key] for key in (*keys, "prediction_type") if config.get(key) is not None}
    if not config.get("rescale_betas_zero_snr"):
        return noise
    # Mixed in rather than a lower bound: no two timesteps may be of the same noise level.
    alphas_cumprod = LEAST_SIGNAL + (1 - LEAST_SIGNAL) * _ddim(base).alphas_cumprod.double()
    ratios = alphas_cumprod.clone()
    ratios[1:] /= alphas_cumprod[:-1]
    return noise | {"trained_betas": (1 - ratios).tolist()}


def _as_the_webuis_step(scheduler: Any, solver: Solver, *, keeps_levels: bool) -> Any:
    """The scheduler, made to step through the webuis' timesteps when a pipeline sets a number of them."""
    set_timesteps = scheduler.set_timesteps
    last = scheduler.config.num_train_timesteps - 1

    @wraps(set_timesteps)
    def begin(num_inference_steps: int, device: Any = None) -> None:
        count = num_inference_steps * solver.evaluations
        if solver.own_timesteps and not keeps_levels:
            set_timesteps(timesteps=_evenly(last, count), device=device)
        elif solver.class_name == "LCMScheduler":
            original = max(LCM_STEPS, count)
            set_timesteps(count, device=device, original_inference_steps=original)
        else:
            set_timesteps(count, device=device)

    scheduler.set_timesteps = begin
    return scheduler


def _evenly(last: int, count: int) -> list[int]:
    """``count`` timesteps from the last one down to 0."""
    return [round(last * (count - 1 - step) / max(1, count - 1)) for step in range(count)]
