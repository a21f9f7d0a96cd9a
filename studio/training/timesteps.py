"""Where in the noise schedule each example is shown, drawn by its address."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from studio.examples.batch import Batch
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams


def draw_timesteps(
    batch: Batch, objective: Objective, num_timesteps: int, streams: RandomStreams
) -> Tensor:
    """A timestep for each example, (batch,), int64 on the CPU.

    Args:
        num_timesteps: those that the base was trained on.
    """
    first = objective.min_timestep
    count = min(objective.max_timestep, num_timesteps - 1) - first + 1
    return torch.tensor(
        [first + _draw(objective, count, streams, address) for address in batch.addresses]
    )


def draw_places(
    batch: Batch, objective: Objective, num_timesteps: int, streams: RandomStreams
) -> Tensor:
    """A timestep for each example and a place within it, (batch,), fp64 on the CPU, never quite whole.

    Schedules that know whole timesteps only take them for those.
    """
    timesteps = draw_timesteps(batch, objective, num_timesteps, streams)
    within = [streams.uniform("within_timestep", *address) for address in batch.addresses]
    return timesteps + torch.tensor(within, dtype=torch.float64).clamp(1e-6, 1 - 1e-6)


def _draw(
    objective: Objective, count: int, streams: RandomStreams, address: tuple[int, int]
) -> int:
    """A whole number in [0, count); 0 is the least noise."""
    if objective.timestep_distribution == "uniform":
        return streams.integer(0, count, "timestep", *address)
    if objective.timestep_distribution == "logit_normal":
        # Esser et al., 2024 (Stable Diffusion 3, arXiv 2403.03206), section 3.1.
        normal = streams.normal((), "timestep", *address).item()
        share = 1 / (1 + math.exp(-(objective.logit_mean + objective.logit_std * normal)))
    else:
        share = streams.uniform("timestep", *address) ** objective.timestep_exponent
    return min(int(share * count), count - 1)
