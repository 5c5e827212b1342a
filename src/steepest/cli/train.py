"""`steepest train`: from a table to a model and its report, in one command."""

from __future__ import annotations

import dataclasses
import datetime
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from typing import Any

import typer

from steepest.cli.failures import EXIT_INTERRUPTED, UsageError
from steepest.cli.folders import (
    CHECKPOINT,
    REPORT,
    RESULT,
    check_folder,
    default_folder,
    forget_checkpoint,
)
from steepest.cli.output import Output, to_json
from steepest.cli.tables import TextFormat, kinds_of
from steepest.cli.wording import as_typed
from steepest.data.tables import PreparedTable, prepare_table
from steepest.models.tabular import TableModel
from steepest.report import Command, Report, write_html
from steepest.report.collect import TableRun, collect, layer_rows
from steepest.report.measures import metric_facts
from steepest.report.numbers import count, duration
from steepest.report.reading import read_curves
from steepest.report.verdict import judge
from steepest.train.checkpoint import Checkpoint
from steepest.train.files import write_atomically

NUMERIC_TRANSFORM = "auto"
"""How numbers are scaled; what `TableModel.fit` chooses for a table that it prepares itself."""


CHECKPOINT_SECONDS = 10.0
"""How much work a crash may cost. Ctrl-C costs none: it is saved too."""


@dataclasses.dataclass(frozen=True)
class TrainRequest:
    """What was asked for on the command line; see the help of `steepest train`."""

    data: Path
    target: str
    output: Path | None = None
    overwrite: bool = False
    resume: bool = False
    task: str | None = None
    columns: tuple[str, ...] = ()
    text_format: TextFormat = dataclasses.field(default_factory=TextFormat)
    test_fraction: float = 0.2
    time_column: str | None = None
    group_column: str | None = None
    epochs: int | None = None
    seed: int = 0

    @property
    def folder(self) -> Path:
        """The folder for model and report."""
        return self.output or default_folder(self.data)


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


def train_command(request: TrainRequest, output: Output) -> None:
    """Train, save, measure and report; print what came of it.

    With `--json`, see `result_object`. Ctrl-C during training keeps the model as it is then and
    the checkpoint to go on from, and ends with exit code 130.
    """
    watch = Stopwatch()
    if not 0 < request.test_fraction < 1:
        raise UsageError(
            f"--test-fraction {request.test_fraction:g}: must be above 0 and below 1, such as 0.2."
        )
    folder = request.folder
    check_folder(folder, request.overwrite, request.resume)
    prepared = _prepare(request, output)
    watch.lap("reading")
    folder.mkdir(parents=True, exist_ok=True)
    if not request.resume:
        forget_checkpoint(folder)
    checkpoint: Any = Checkpoint(folder / CHECKPOINT, None, every_seconds=CHECKPOINT_SECONDS)
    model = TableModel.fit(
        prepared,
        epochs=request.epochs,
        seed=request.seed,
        progress="auto" if output.is_talking else "none",
        checkpoint=checkpoint,
        resume=request.resume,
    )
    watch.lap("training")
    if model.history.epochs == 0:
        _say_how_to_resume(request, model, output)
        raise typer.Exit(EXIT_INTERRUPTED)
    model.save(folder)
    if not model.history.interrupted:
        forget_checkpoint(folder)
    report = _report(request, prepared, model, watch)
    write_html(report, folder / REPORT)
    _show(request, report, model, output)
    result = result_object(request, prepared, report, model)
    write_atomically(folder / RESULT, to_json(result).encode())
    output.object(result)
    if model.history.interrupted:
        _say_how_to_resume(request, model, output)
        raise typer.Exit(EXIT_INTERRUPTED)


def _prepare(request: TrainRequest, output: Output) -> PreparedTable:
    """Read, split and preprocess the table, and say what was found."""
    kinds = kinds_of(request.columns)
    frame = request.text_format.read(request.data)
    output.say(f"{request.data.name}: {count(frame.height, 'row')}, {count(frame.width, 'column')}")
    prepared = prepare_table(
        frame,
        request.target,
        task=request.task,
        columns=kinds,
        validation=0.0,
        test=request.test_fraction,
        seed=request.seed,
        time_column=request.time_column,
        group_column=request.group_column,
        numeric_transform=NUMERIC_TRANSFORM,
    )
    for note in prepared.notes:
        output.note(note)
    output.say(_plan(prepared))
    return prepared


def _plan(prepared: PreparedTable) -> str:
    """What is about to be trained, in one line."""
    target = prepared.target
    if target.is_classification:
        kind = f"one of {len(target.classes)} classes"
    else:
        kind = "a number"
    columns = count(len(prepared.schema.used), "column")
    test_rows = len(prepared.test) if prepared.test is not None else 0
    return (
        f"predicting {target.name}, {kind}, from {columns}: {len(prepared.train):,} rows to learn "
        f"from, {test_rows:,} kept away for the final measurement"
    )


def _report(
    request: TrainRequest, prepared: PreparedTable, model: TableModel, watch: Stopwatch
) -> Report:
    """Measure the network and the baselines on the test part."""

    def answer(frame: Any) -> Any:
        if model.target.is_classification:
            return model.predict_probabilities(frame)
        return model.predict(frame)

    run = TableRun(
        prepared,
        request.data.name,
        answer,
        model.history,
        layers=layer_rows(model.summary()),
        settings=model.settings,
        split_note=_split_note(request),
        commands=_commands(request),
        versions=_versions(),
        seed=request.seed,
        created=f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
    )
    report = collect(run)
    watch.lap("measuring")
    warnings = [as_typed(note) for note in report.warnings]
    return dataclasses.replace(report, durations=dict(watch.seconds), warnings=warnings)


def _split_note(request: TrainRequest) -> str:
    """How the parts were chosen, in words."""
    if request.time_column is not None:
        how = f"The oldest rows by {request.time_column} train, the newest test."
    elif request.group_column is not None:
        how = f"All rows of one {request.group_column} are in the same part."
    else:
        how = f"Rows were assigned at random (seed {request.seed}), duplicates to the same part."
    return f"{how} Everything was learned from the training part only."


def _commands(request: TrainRequest) -> list[Command]:
    folder = quote(str(request.folder))
    code = f"""from steepest.models import TableModel

model = TableModel.load({str(request.folder)!r})
model.predict("new.csv")"""
    return [
        Command("Predict a new table", f"steepest predict {folder} new.csv -o predictions.csv"),
        Command("Measure it on other rows", f"steepest evaluate {folder} other.csv"),
        Command("See what it is made of", f"steepest summary {folder}"),
        Command("Use it from Python", code),
        Command("Train it again, to the same bits", train_line(request, "--overwrite")),
    ]


def train_line(request: TrainRequest, extra: str = "") -> str:
    """The command line of this training."""
    words = ["steepest", "train", str(request.data), "--target", request.target]
    if request.output is not None:
        words += ["--output", str(request.output)]
    named = {
        "--task": request.task,
        "--delimiter": request.text_format.delimiter,
        "--time-column": request.time_column,
        "--group-column": request.group_column,
        "--epochs": request.epochs,
    }
    words += [word for name, value in named.items() if value for word in (name, str(value))]
    for choice in request.columns:
        words += ["--column", choice]
    if request.text_format.encoding != TextFormat.encoding:
        words += ["--encoding", request.text_format.encoding]
    if request.text_format.rename_duplicates:
        words.append("--rename-duplicates")
    if request.test_fraction != TrainRequest.test_fraction:
        words += ["--test-fraction", f"{request.test_fraction:g}"]
    words += ["--seed", str(request.seed)]
    return " ".join([*map(quote, words), *([extra] if extra else [])])


def _versions() -> dict[str, str]:
    packages = {"steepest": "steepest", "NumPy": "numpy", "polars": "polars"}
    found = {name: version(package) for name, package in packages.items()}
    return {**found, "Python": platform.python_version()}


def _show(request: TrainRequest, report: Report, model: TableModel, output: Output) -> None:
    """Print the verdict, the metrics beside the baselines, and where things are."""
    verdict = judge(report)
    output.line(" ".join(part for part in (verdict.sentence, verdict.caution) if part))
    output.line()
    show_scores(report, output)
    output.line()
    for finding in read_curves(report):
        output.line(f"{finding.name}: {finding.text}")
    output.line()
    output.line(f"model   {request.folder}  ({duration(report.durations['training'])} of training)")
    output.line(f"report  {request.folder / REPORT}")
    if not model.history.interrupted:
        output.line(f"next    steepest predict {quote(str(request.folder))} new.csv -o out.csv")


def show_scores(report: Report, output: Output, rows_name: str = "test rows") -> None:
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
    headings = [f"on {len(report.y_true):,} {rows_name}", *names]
    output.table(headings, rows)


def _say_how_to_resume(request: TrainRequest, model: TableModel, output: Output) -> None:
    epochs = model.history.epochs
    kept = f"the model of that moment is in {request.folder}" if epochs else "no model was saved"
    output.warn(
        f"stopped by Ctrl-C after {count(epochs, 'epoch')}; {kept}. Go on with:\n"
        f"  {train_line(request, '--resume')}"
    )


def result_object(
    request: TrainRequest, prepared: PreparedTable, report: Report, model: TableModel
) -> Mapping[str, Any]:
    """What `--json` prints.

    `metrics` holds the measures on the test part of `"network"`, `"linear"` and `"constant"`;
    `columns.left_out` says why; `seconds` is by activity.
    """
    predictors = dict(zip(("network", "linear", "constant"), report.predictors, strict=True))
    return {
        "model": str(request.folder),
        "report": str(request.folder / REPORT),
        "data": str(request.data),
        "target": report.target,
        "task": report.task,
        "rows": report.rows,
        "parts": report.split_sizes,
        "columns": {
            "used": [column.name for column in report.used_columns],
            "left_out": _left_out(report),
        },
        "epochs": model.history.epochs,
        "best_epoch": model.history.best_epoch,
        "kept_epochs": model.history.kept_epochs,
        "interrupted": model.history.interrupted,
        "metrics": {name: dict(each.metrics) for name, each in predictors.items()},
        "findings": [dataclasses.asdict(finding) for finding in read_curves(report)],
        "notes": prepared.notes,
        "seed": request.seed,
        "seconds": report.durations,
        "version": version("steepest"),
    }


def _left_out(report: Report) -> Sequence[Mapping[str, str]]:
    return [
        {"name": column.name, "kind": column.kind, "reason": column.note}
        for column in report.left_out_columns
    ]
