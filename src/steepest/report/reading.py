"""Reads the learning curves for the user, by stated rules.

Changes are read relative to the validation loss itself, or, for a loss that may be negative,
relative to its *descent*: its fall from the first epoch to the best one. Every rule and its bound
is in `RULES_IN_WORDS`, which the report prints.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np

from steepest.report.contents import History, Report
from steepest.report.numbers import count, percent
from steepest.report.verdict import gain_over_linear, is_better
from steepest.train.history import kept_weights

MIN_EPOCHS = 5
RISE_BOUND = 0.10
GAP_BOUND = 0.30
GAIN_BOUND = 0.02
JITTER_BOUND = 0.25
FEW_ROWS_PER_COLUMN = 30

RULES_IN_WORDS = (
    f"“Still improving”: training was not stopped early, and the last quarter of the epochs "
    f"lowered the best validation loss by {GAIN_BOUND:.0%} or more.",
    f"“Overfitting”: after the best epoch the validation loss rose by {RISE_BOUND:.0%} or more "
    "(median of the last quarter after it, against the five epochs around it).",
    f"“Too little data”: at the best epoch the training loss is at least {GAP_BOUND:.0%} below the "
    f"validation loss, and there are fewer than {FEW_ROWS_PER_COLUMN} training rows per column.",
    "“Gap”: the same gap with more rows than that.",
    "“Unsteady”: over the second half, the validation loss jumps from epoch to epoch by "
    f"{JITTER_BOUND:.0%} or more of its whole descent (median).",
    "“Underfitting”: none of the others, and on the test part the linear model makes less error "
    "beyond chance (95% bootstrap interval). “As good as a line”: none of the others, "
    "and the network is no better.",
    f"With fewer than {MIN_EPOCHS} epochs nothing is concluded.",
    "Shares are of the validation loss; of its whole descent where a loss may be negative.",
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that the curves say.

    Attributes:
        name: short name, such as `"Overfitting"`.
        text: what it means here and what to do, in one or two sentences.
        tone: `"good"`, `"note"` or `"bad"`.
    """

    name: str
    text: str
    tone: Literal["good", "note", "bad"]


def read_curves(report: Report) -> list[Finding]:
    """Say in plain words what the learning curves show, the most important thing first."""
    history = report.history
    train = np.asarray(history.train_loss, dtype=np.float64)
    validation = np.asarray(history.validation_loss, dtype=np.float64)
    if not np.isfinite(train).all() or not np.isfinite(validation).all():
        return [_diverged(train, validation)]
    unfinished = _interrupted(history)
    if history.epochs < MIN_EPOCHS:
        return [unfinished or _too_short(history.epochs)]
    if len(validation) == 0:
        return [_no_validation()]
    if validation.min() >= validation[0]:
        return [_no_descent()]
    best = history.best_epoch or history.epochs
    descent = float(validation[0] - validation.min())
    findings = [
        _rise(history, validation, best, descent),
        _gap(report, train, validation, best),
        unfinished or _still_improving(history, validation, descent),
        _jitter(validation, descent),
    ]
    found = [finding for finding in findings if finding is not None]
    return found or [_against_linear(report) or _healthy(best)]


def _diverged(train: np.ndarray, validation: np.ndarray) -> Finding:
    finite = np.isfinite(train)
    if len(validation):
        finite = finite & np.isfinite(validation)
    epoch = int(np.argmin(finite)) + 1
    return Finding(
        "Diverged",
        f"The loss stopped being a number in epoch {epoch}. Lower the learning rate, and look for "
        "extreme values in the data.",
        "bad",
    )


def _too_short(epochs: int) -> Finding:
    return Finding(
        "Too short to tell",
        f"{count(epochs, 'epoch')} are too few to read a curve from. Train for longer.",
        "note",
    )


def _no_validation() -> Finding:
    return Finding(
        "No validation part",
        "Without rows held back during training, the curve cannot show overfitting.",
        "note",
    )


def _no_descent() -> Finding:
    return Finding(
        "Not learning",
        "The validation loss never fell below its first value. Either the columns do not tell "
        "anything about the target, or the learning rate is far from right.",
        "bad",
    )


def _rise(history: History, validation: np.ndarray, best: int, descent: float) -> Finding | None:
    after = validation[best:]
    if len(after) < 3:
        return None
    tail = after[-max(3, len(after) // 4) :]
    around = validation[max(0, best - 3) : best + 2]
    before = float(np.median(around))
    rise = (float(np.median(tail)) - before) / (before if before > 0 else descent)
    if rise < RISE_BOUND:
        return None
    kept = kept_weights(history.kept_epochs, best)
    return Finding(
        "Overfitting",
        f"After epoch {best} the network went on memorising the training rows while the "
        f"validation loss rose again, by {percent(rise)}. The {kept} were kept, so the saved "
        "model is not harmed.",
        "note",
    )


def _gap(report: Report, train: np.ndarray, validation: np.ndarray, best: int) -> Finding | None:
    loss = float(validation[best - 1])
    gap = 1 - float(train[best - 1]) / loss if loss > 0 else math.nan
    rows = int(report.split_sizes.get("train", report.rows))
    columns = max(1, len(report.used_columns))
    if not math.isfinite(gap) or gap < GAP_BOUND:
        return None
    share = percent(gap)
    if rows < FEW_ROWS_PER_COLUMN * columns:
        return Finding(
            "Too little data",
            f"The network does much better on the rows it learned from (loss {share} lower) than "
            f"on new ones, and {count(rows, 'training row')} are few for "
            f"{count(columns, 'column')}. More rows would help more than longer training.",
            "note",
        )
    return Finding(
        "Gap",
        f"The loss is {share} lower on the rows the network learned from than on new ones. "
        "More rows would narrow it; so may stronger regularisation.",
        "note",
    )


def _against_linear(report: Report) -> Finding | None:
    """What a network without faults in its curves is to a linear model that is as good."""
    if report.linear is None or is_better(report, report.linear):
        return None
    gain = gain_over_linear(report)
    if gain is not None and gain.high < 0:
        return Finding(
            "Underfitting",
            "A linear model does clearly better, and the network is as bad on the rows it learned "
            "from as on new ones. A larger network, more epochs or less regularisation may help.",
            "bad",
        )
    return Finding(
        "As good as a line",
        "The curves show no fault, but a linear model does as well. What the columns say may be "
        "linear, or there are too few rows to show more than that.",
        "note",
    )


def _interrupted(history: History) -> Finding | None:
    if not history.interrupted:
        return None
    return Finding(
        "Not finished",
        f"Training was ended by hand after {count(history.epochs, 'epoch')} of "
        f"{history.planned_epochs or history.epochs:,}. Resume it for a better model.",
        "note",
    )


def _still_improving(history: History, validation: np.ndarray, descent: float) -> Finding | None:
    planned = history.planned_epochs or history.epochs
    if history.epochs < planned:
        return None
    quarter = max(2, history.epochs // 4)
    before = float(validation[:-quarter].min())
    gain = before - float(validation[-quarter:].min())
    gain /= before if before > 0 else descent
    if gain < GAIN_BOUND:
        return None
    return Finding(
        "Still improving",
        f"The last {count(quarter, 'epoch')} still lowered the validation loss by {percent(gain)}. "
        "Training for longer should give a better model.",
        "note",
    )


def _jitter(validation: np.ndarray, descent: float) -> Finding | None:
    second_half = validation[len(validation) // 2 :]
    jump = float(np.median(np.abs(np.diff(second_half))))
    if jump < JITTER_BOUND * descent:
        return None
    return Finding(
        "Unsteady",
        "The validation loss jumps from epoch to epoch. A lower learning rate, a larger batch or "
        "more validation rows would steady it.",
        "note",
    )


def _healthy(best: int) -> Finding:
    return Finding(
        "Healthy",
        f"Training and validation loss fell together and levelled off around epoch {best}: no sign "
        "of overfitting, and little to gain from training for longer.",
        "good",
    )
