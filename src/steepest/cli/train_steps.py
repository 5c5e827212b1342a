"""The steps of `steepest train` that are the same for a table and for images."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from typing import Any, Protocol

import typer

from steepest.cli.failures import EXIT_INTERRUPTED, UsageError
from steepest.cli.folders import CHECKPOINT, REPORT, RESULT, forget_checkpoint
from steepest.cli.output import Output, to_json
from steepest.report import Command, Report
from steepest.report.measures import metric_facts
from steepest.report.numbers import count, duration
from steepest.report.reading import Finding
from steepest.report.verdict import Verdict
from steepest.train.checkpoint import Checkpoint
from steepest.train.files import write_atomically
from steepest.train.history import History

CHECKPOINT_SECONDS = 10.0
"""How much work a crash may cost. Ctrl-C costs none: it is saved too."""

TEST_FRACTION = 0.2
"""The share of the data that is kept away for the final measurement, unless told otherwise."""


class TrainedModel(Protocol):
    """What the steps need of a model, whatever it was trained on."""

    history: History

    def save(self, path: Path) -> None:
        """Write the model into a folder."""


class Stopwatch:
    """Seconds by activity, in the order of the activities."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, activity: str) -> None:
        """The time since the last lap went into `activity`."""
        now = time.monotonic()
        self.seconds[activity] = now - self._last
        self._last = now


def check_test_fraction(fraction: float) -> None:
    """Refuse a `--test-fraction` that leaves one of the parts empty.

    Raises:
        UsageError: it is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"--test-fraction {fraction:g}: must be above 0 and below 1, such as 0.2.")


def open_checkpoint(folder: Path, resume: bool) -> Checkpoint:
    """The checkpoint of a training into `folder`, which is made; an old one goes unless resumed."""
    folder.mkdir(parents=True, exist_ok=True)
    if not resume:
        forget_checkpoint(folder)
    return Checkpoint(folder / CHECKPOINT, None, every_seconds=CHECKPOINT_SECONDS)


def keep_model(model: TrainedModel, folder: Path, resume_line: str, output: Output) -> None:
    """Save a trained model; its checkpoint goes if the training is complete.

    Raises:
        typer.Exit: Ctrl-C came before the first epoch was done, so there is nothing to save.
    """
    if model.history.epochs == 0:
        _end_interrupted(model, folder, resume_line, output)
    model.save(folder)
    if not model.history.interrupted:
        forget_checkpoint(folder)


def hand_over(
    result: Mapping[str, Any],
    model: TrainedModel,
    folder: Path,
    resume_line: str,
    output: Output,
) -> None:
    """Write the object that `--json` prints to the folder, and print it.

    Raises:
        typer.Exit: Ctrl-C ended the training early.
    """
    write_atomically(folder / RESULT, to_json(result).encode())
    output.object(result)
    if model.history.interrupted:
        _end_interrupted(model, folder, resume_line, output)


def _end_interrupted(model: TrainedModel, folder: Path, resume_line: str, output: Output) -> None:
    """Say how to go on with a training that Ctrl-C ended, and end with its exit code."""
    epochs = model.history.epochs
    kept = f"the model of that moment is in {folder}" if epochs else "no model was saved"
    output.warn(
        f"stopped by Ctrl-C after {count(epochs, 'epoch')}; {kept}. Go on with:\n  {resume_line}"
    )
    raise typer.Exit(EXIT_INTERRUPTED)


def show_outcome(
    folder: Path,
    report: Report,
    verdict: Verdict,
    findings: Sequence[Finding],
    test_examples: str,
    output: Output,
) -> None:
    """Print the verdict, the metrics beside the baselines, and where things are.

    Args:
        folder: where model and report are.
        report: the measures and the time of the training.
        verdict: how good the network is.
        findings: what the learning curves say.
        test_examples: what the test part consists of, such as `"test rows"`.
        output: where to print.
    """
    output.line(" ".join(part for part in (verdict.sentence, verdict.caution) if part))
    output.line()
    _show_scores(report, test_examples, output)
    output.line()
    for finding in findings:
        output.line(f"{finding.name}: {finding.text}")
    output.line()
    output.line(f"model   {folder}  ({duration(report.durations['training'])} of training)")
    output.line(f"report  {folder / REPORT}")


def _show_scores(report: Report, test_examples: str, output: Output) -> None:
    """Print the metrics of the network and the baselines on the test part."""
    rows = []
    for name in report.model.metrics:
        facts = metric_facts(name)
        cells = [
            facts.text(each.metrics[name]) if name in each.metrics else ""
            for each in report.predictors
        ]
        rows.append([facts.label, *cells])
    names = [each.name for each in report.predictors]
    headings = [f"on {len(report.y_true):,} {test_examples}", *names]
    output.table(headings, rows)


def metrics_by_predictor(report: Report) -> dict[str, dict[str, float]]:
    """The measures on the test part of `"network"`, `"linear"` and `"constant"`, by name."""
    predictors = zip(("network", "linear", "constant"), report.predictors, strict=True)
    return {name: dict(each.metrics) for name, each in predictors}


def command_line(
    data: Path,
    named: Mapping[str, Any],
    other_words: Sequence[str],
    test_fraction: float,
    seed: int,
) -> str:
    """The command line of a training, quoted for the shell.

    Args:
        data: what it trains on.
        named: options with a value; those without one are left out.
        other_words: options that stand alone or may come more than once.
        test_fraction: left out if it is the default.
        seed: always given.
    """
    words = ["steepest", "train", str(data)]
    words += [word for name, value in named.items() if value for word in (name, str(value))]
    words += other_words
    if test_fraction != TEST_FRACTION:
        words += ["--test-fraction", f"{test_fraction:g}"]
    words += ["--seed", str(seed)]
    return " ".join(map(quote, words))


def further_commands(folder: Path, model: str, new_data: str, line: str) -> list[Command]:
    """What a report offers next to `steepest predict` and `steepest evaluate`.

    Args:
        folder: where the model is.
        model: its class in `steepest.models`.
        new_data: a file to predict, for the example in Python.
        line: the command line of the training.
    """
    code = f"""from steepest.models import {model}

model = {model}.load({str(folder)!r})
model.predict("{new_data}")"""
    return [
        Command("See what it is made of", f"steepest summary {quote(str(folder))}"),
        Command("Use it from Python", code),
        Command("Train it again, to the same bits", f"{line} --overwrite"),
    ]


def versions(reader: str, package: str) -> dict[str, str]:
    """The versions that a report names: of steepest, NumPy, what read the data, and Python."""
    packages = {"steepest": "steepest", "NumPy": "numpy", reader: package}
    found = {name: version(each) for name, each in packages.items()}
    return {**found, "Python": platform.python_version()}
