"""`steepest train`: from a table to a model and its report, in one command."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from typing import Any

from steepest.cli.folders import REPORT, check_folder, default_folder
from steepest.cli.output import Output
from steepest.cli.tables import TextFormat, kinds_of
from steepest.cli.train_steps import (
    TEST_FRACTION,
    Stopwatch,
    check_test_fraction,
    command_line,
    further_commands,
    hand_over,
    keep_model,
    metrics_by_predictor,
    open_checkpoint,
    show_outcome,
    versions,
)
from steepest.cli.wording import as_typed
from steepest.data.tables import PreparedTable, prepare_table
from steepest.models.tabular import TableModel
from steepest.report import Command, Report, write_html
from steepest.report.collect import TableRun, collect, layer_rows
from steepest.report.numbers import count
from steepest.report.reading import read_curves
from steepest.report.verdict import judge

NUMERIC_TRANSFORM = "auto"
"""How numbers are scaled; what `TableModel.fit` chooses for a table that it prepares itself."""


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
    test_fraction: float = TEST_FRACTION
    time_column: str | None = None
    group_column: str | None = None
    epochs: int | None = None
    seed: int = 0

    @property
    def folder(self) -> Path:
        """The folder for model and report."""
        return self.output or default_folder(self.data)


def train_command(request: TrainRequest, output: Output) -> None:
    """Train, save, measure and report; print what came of it.

    With `--json`, see `result_object`. Ctrl-C during training keeps the model as it is then and
    the checkpoint to go on from, and ends with exit code 130.
    """
    watch = Stopwatch()
    check_test_fraction(request.test_fraction)
    folder = request.folder
    check_folder(folder, request.overwrite, request.resume)
    prepared = _prepare(request, output)
    watch.lap("reading")
    model = TableModel.fit(
        prepared,
        epochs=request.epochs,
        seed=request.seed,
        progress="auto" if output.is_talking else "none",
        checkpoint=open_checkpoint(folder, request.resume),
        resume=request.resume,
    )
    watch.lap("training")
    resume_line = f"{train_line(request)} --resume"
    keep_model(model, folder, resume_line, output)
    report = _report(request, prepared, model, watch)
    write_html(report, folder / REPORT)
    _show(request, report, model, output)
    result = result_object(request, prepared, report, model)
    hand_over(result, model, folder, resume_line, output)


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
        versions=versions("polars", "polars"),
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
    return [
        Command("Predict a new table", f"steepest predict {folder} new.csv -o predictions.csv"),
        Command("Measure it on other rows", f"steepest evaluate {folder} other.csv"),
        *further_commands(request.folder, "TableModel", "new.csv", train_line(request)),
    ]


def train_line(request: TrainRequest) -> str:
    """The command line of this training."""
    named = {
        "--target": request.target,
        "--output": request.output,
        "--task": request.task,
        "--delimiter": request.text_format.delimiter,
        "--time-column": request.time_column,
        "--group-column": request.group_column,
        "--epochs": request.epochs,
    }
    words = [word for choice in request.columns for word in ("--column", choice)]
    if request.text_format.encoding != TextFormat.encoding:
        words += ["--encoding", request.text_format.encoding]
    if request.text_format.rename_duplicates:
        words.append("--rename-duplicates")
    return command_line(request.data, named, words, request.test_fraction, request.seed)


def _show(request: TrainRequest, report: Report, model: TableModel, output: Output) -> None:
    """Print the verdict, the metrics beside the baselines, and where things are."""
    show_outcome(request.folder, report, judge(report), read_curves(report), "test rows", output)
    if not model.history.interrupted:
        output.line(f"next    steepest predict {quote(str(request.folder))} new.csv -o out.csv")


def result_object(
    request: TrainRequest, prepared: PreparedTable, report: Report, model: TableModel
) -> Mapping[str, Any]:
    """What `--json` prints.

    `metrics` holds the measures on the test part of `"network"`, `"linear"` and `"constant"`;
    `columns.left_out` says why; `seconds` is by activity.
    """
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
        "metrics": metrics_by_predictor(report),
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
