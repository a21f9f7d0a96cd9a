"""Muon (Jordan et al., 2024): momentum whose matrices are orthogonalised; twice AdamW's progress a
step on these small networks. torch's own ``torch.optim.Muon`` takes matrices only; this one also
takes convolution kernels, as (out, in * height * width) matrices.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # quintic coefficients of the reference


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; updates have AdamW's root-mean-square size (x 0.2)."""

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        lr: float,
        *,
        momentum: float = 0.95,
        iterations: int = 5,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "iterations": iterations})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # noqa: ARG002
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                average = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                update = weight.grad.add(average, alpha=group["momentum"])
                matrix = orthogonalised(update.reshape(len(update), -1), group["iterations"])
                scale = 0.2 * max(matrix.shape) ** 0.5
                weight.add_(matrix.reshape(weight.shape), alpha=-group["lr"] * scale)


def orthogonalised(matrix: torch.Tensor, iterations: int) -> torch.Tensor:
    """The nearest semi-orthogonal matrix, roughly: singular values go to about 1 (Newton-Schulz)."""
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
