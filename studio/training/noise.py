"""The noise that latents are mixed with, drawn for each example by its address."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from studio.examples.batch import Batch
from studio.training.objective import Objective
from studio.training.randomness import RandomStreams

Address = tuple[int, int]


def draw_noise(batch: Batch, objective: Objective, streams: RandomStreams) -> Tensor:
    """Noise of the latents' shape, (batch, channels, height, width), fp32 on the CPU.

    Of clips, (batch, frames, channels, height, width), all frames have the offset in common.
    """
    shape = tuple(batch.latents.shape[1:])
    noise = torch.stack([_noise_of_one(shape, objective, streams, a) for a in batch.addresses])
    if objective.noise_offset == 0:
        return noise
    offsets = torch.stack(
        [streams.normal((shape[-3], 1, 1), "noise_offset", *a) for a in batch.addresses]
    )
    of_each_frame = offsets.reshape(len(offsets), *[1] * (len(shape) - 3), *offsets.shape[1:])
    return noise + objective.noise_offset * of_each_frame


def draw_perturbation(batch: Batch, streams: RandomStreams) -> Tensor:
    """Standard normal noise for the U-Net's input alone, of the latents' shape, fp32 on the CPU."""
    shape = batch.latents.shape[1:]
    return torch.stack([streams.normal(shape, "input_perturbation", *a) for a in batch.addresses])


def _noise_of_one(
    shape: tuple[int, ...], objective: Objective, streams: RandomStreams, address: Address
) -> Tensor:
    noise = streams.normal(shape, "noise", *address)
    if objective.multires_noise_iterations == 0:
        return noise
    return _with_coarser_levels(noise, objective, streams, address)


def _with_coarser_levels(
    noise: Tensor, objective: Objective, streams: RandomStreams, address: Address
) -> Tensor:
    """Multi-resolution noise (Whitaker, 2023), (channels, height, width) or with frames before.

    Level i is drawn at 1/r^i of the size, r between 2 and 4 anew for each level, enlarged and added
    with weight discount^i; one of a single value is the last. Adding makes the noise stronger, so it is
    scaled back to a mean square of 1, which is what the schedule takes noise for.
    """
    *channels, height, width = noise.shape
    total = noise
    for level in range(1, objective.multires_noise_iterations + 1):
        shrinkage = (2 + 2 * streams.uniform(f"multires_shrinkage_{level}", *address)) ** level
        size = (max(1, int(height / shrinkage)), max(1, int(width / shrinkage)))
        coarse = streams.normal((*channels, *size), f"multires_noise_{level}", *address)
        flat = coarse.reshape(1, -1, *size)
        enlarged = functional.interpolate(flat, size=(height, width), mode="bilinear")
        weight = objective.multires_noise_discount**level
        total = total + weight * enlarged.reshape(noise.shape)
        if size == (1, 1):
            break
    return total / total.square().mean().sqrt()
