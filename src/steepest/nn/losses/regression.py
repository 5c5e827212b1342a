"""Losses between numbers. The formulas are in `steepest.nn.functional.regression`."""

from __future__ import annotations

from steepest.array.tensor import Tensor
from steepest.nn import functional
from steepest.nn.losses.base import Loss


class MSELoss(Loss):
    """(input - target)^2, the squared error."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(input, target, self.reduction)


class L1Loss(Loss):
    """|input - target|, the absolute error."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.l1_loss(input, target, self.reduction)


class SmoothL1Loss(Loss):
    """The Huber loss divided by its bend: d^2 / (2 beta) below beta, d - beta / 2 above."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0):
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.smooth_l1_loss(input, target, self.reduction, self.beta)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}, beta={self.beta}"


class HuberLoss(Loss):
    """d^2 / 2 up to delta, delta (d - delta / 2) above, for the distance d."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.huber_loss(input, target, self.reduction, self.delta)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}, delta={self.delta}"


class PoissonNLLLoss(Loss):
    """The negative log-likelihood of counts under a Poisson distribution.

    Args:
        log_input: whether the input is the rate's logarithm.
        full: adds Stirling's approximation of log(target!).
        eps: added to the rate before its logarithm, if not `log_input`.
        reduction: `"mean"`, `"sum"` or `"none"`.
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        eps: float = 1e-8,
        reduction: str = "mean",
    ):
        super().__init__(reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return functional.poisson_nll_loss(
            log_input, target, self.log_input, self.full, self.eps, self.reduction
        )

    def extra_repr(self) -> str:
        return f"log_input={self.log_input}, full={self.full}, reduction={self.reduction!r}"


class GaussianNLLLoss(Loss):
    """The negative log-likelihood under normal distributions with predicted variance.

    Called as `loss(input, target, var)`.

    Args:
        full: adds the constant 0.5 log(2 pi).
        eps: the smallest variance.
        reduction: `"mean"`, `"sum"` or `"none"`.
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        super().__init__(reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return functional.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)

    def extra_repr(self) -> str:
        return f"full={self.full}, eps={self.eps}, reduction={self.reduction!r}"


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence of targets from log-probabilities.

    Args:
        reduction: `"batchmean"` is the divergence; also `"mean"`, `"sum"` or `"none"`.
        log_target: whether the target holds log-probabilities too.
    """

    def __init__(self, reduction: str = "mean", log_target: bool = False):
        super().__init__(reduction, ("none", "mean", "sum", "batchmean"))
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return functional.kl_div(input, target, self.reduction, self.log_target)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}, log_target={self.log_target}"
