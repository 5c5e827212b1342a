"""The commands of `steepest`, their options and their help.

This file says what can be typed; the work is in `train`, `evaluate`, `predict`, `summary` and
`report`, which are imported when they run, so that `--help` answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from steepest.cli.failures import EXIT_USAGE, failures_reported
from steepest.cli.output import Output

EXIT_CODES = (
    "Exit codes: 0 done; 1 the run failed; 2 wrong usage; 3 bad data or model file; 130 ended by "
    "Ctrl-C, with the work kept."
)

app = typer.Typer(
    name="steepest",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)

DATA_PANEL = "How the table is read"
IMAGES_PANEL = "Images"
TRAINING_PANEL = "How the network is trained"
OUTPUT_PANEL = "What is shown"

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="A table (CSV, TSV, also .gz, Parquet or Arrow/Feather), or images: a folder with a "
        "folder for each class, IDX or NPZ files, or a table of file names.",
    ),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A folder made by `steepest train`.")]
Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="CHAR",
        help="What separates the columns of a text file; found out if not given. "
        "Write 'tab' for a tab.",
        rich_help_panel=DATA_PANEL,
    ),
]
Encoding = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Encoding of a text file, such as latin-1.", rich_help_panel=DATA_PANEL
    ),
]
RenameDuplicates = Annotated[
    bool,
    typer.Option(
        "--rename-duplicates",
        help="Rename repeated column names (x, x_2) instead of refusing the table.",
        rich_help_panel=DATA_PANEL,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON object on standard output, and nothing else.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No progress and no notes.", rich_help_panel=OUTPUT_PANEL),
]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        help="Show the traceback of an error (so does STEEPEST_DEBUG=1).",
        rich_help_panel=OUTPUT_PANEL,
    ),
]


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"steepest {version('steepest')}")
        raise typer.Exit


@app.callback()
def steepest(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Train a neural network on a table or on images, with one command.

    \b
    [bold]First steps[/bold]
      steepest train houses.csv --target price       makes the folder houses-model
      steepest predict houses-model new.csv -o predictions.csv
      steepest evaluate houses-model other.csv       how good is it on other rows?
      steepest summary houses-model                  what is inside?
      steepest train flowers                         a folder of images for each class

    `steepest COMMAND --help` tells more about each.
    """


@app.command(epilog=EXIT_CODES)
def train(
    data: Data,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            "-t",
            metavar="COLUMN",
            help="The column to predict. A table needs it; folders of images do not.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder for model and report; DATA-model if not given.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model that is in DIR already.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the training in DIR that was cut off; same options as then.",
        ),
    ] = False,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="TASK",
            help="regression, binary or multiclass; found out from the target if not given.",
            rich_help_panel=DATA_PANEL,
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=KIND",
            help="What a column holds: number, category, boolean, date, or ignore to leave it "
            "out. May be repeated.",
            rich_help_panel=DATA_PANEL,
        ),
    ] = None,
    delimiter: Delimiter = None,
    encoding: Encoding = "utf-8",
    rename_duplicates: RenameDuplicates = False,
    test_fraction: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Share of the rows or images kept away for the final measurement.",
        ),
    ] = 0.2,
    time_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Split by time: the latest rows are the test. For forecasts.",
            rich_help_panel=DATA_PANEL,
        ),
    ] = None,
    group_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Keep rows with the same value (one patient, one shop) in the same part.",
            rich_help_panel=DATA_PANEL,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="How often the network goes through the training rows or images, at most.",
            rich_help_panel=TRAINING_PANEL,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Same seed, same result, to the last bit.",
            rich_help_panel=TRAINING_PANEL,
        ),
    ] = 0,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="PIXELS",
            help="Side of the images, or HEIGHTxWIDTH; chosen from the images if not given.",
            rich_help_panel=IMAGES_PANEL,
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="lenet, resnet20, resnet56, resnet18, resnet34, resnet50, vgg11, mobilenet_v2 or "
            "efficientnet_lite0; chosen by the images if not given.",
            rich_help_panel=IMAGES_PANEL,
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip",
            help="Whether training images may be mirrored; by default all but small grey ones, "
            "which may be characters.",
            rich_help_panel=IMAGES_PANEL,
            show_default=False,
        ),
    ] = None,
    augment: Annotated[
        bool,
        typer.Option(
            "--augment/--no-augment",
            help="Whether training images are changed a little each time they are shown.",
            rich_help_panel=IMAGES_PANEL,
        ),
    ] = True,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a network on a table or on images, measure it on data kept away, save model and report.

    Nothing else has to be said: column types, missing values, categories, dates, the task, the
    size of images, the network and when to stop are found out, and what was decided is shown.

    \b
    [bold]Examples[/bold]
      steepest train houses.csv --target price
      steepest train mails.parquet --target is_spam --output spam-model --seed 7
      steepest train sales.csv --target units --time-column date --column store=category
      steepest train houses.csv --target price --json > result.json
      steepest train flowers                with flowers/rose/1.jpg, flowers/tulip/2.jpg, ...
      steepest train labels.csv --target species --size 64    with a column of image files

    The folder then holds the model and [bold]report.html[/bold], a page to look at in a browser.
    Ctrl-C ends training early and keeps what was learned; --resume goes on from there.
    """
    shown = Output(as_json, quiet)
    with failures_reported(shown, debug):
        from steepest.cli import commands
        from steepest.cli.tables import TextFormat
        from steepest.cli.train import TrainRequest

        request = TrainRequest(
            data=data,
            target=target or "",
            output=output,
            overwrite=overwrite,
            resume=resume,
            task=task,
            columns=tuple(column or ()),
            text_format=TextFormat(delimiter, encoding, rename_duplicates),
            test_fraction=test_fraction,
            time_column=time_column,
            group_column=group_column,
            epochs=epochs,
            seed=seed,
        )
        commands.train(request, commands.ImageOptions(size, network, flip, augment), shown)


@app.command(epilog=EXIT_CODES)
def evaluate(
    model: Model,
    data: Data,
    delimiter: Delimiter = None,
    encoding: Encoding = "utf-8",
    rename_duplicates: RenameDuplicates = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure a trained network on a table that has the target column too, or on labelled images.

    \b
    [bold]Examples[/bold]
      steepest evaluate houses-model houses-2026.csv
      steepest evaluate houses-model houses-2026.csv --json
    """
    shown = Output(as_json, quiet)
    with failures_reported(shown, debug):
        from steepest.cli import commands
        from steepest.cli.tables import TextFormat

        text_format = TextFormat(delimiter, encoding, rename_duplicates)
        commands.evaluate(model, data, text_format, shown)


@app.command(epilog=EXIT_CODES)
def predict(
    model: Model,
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the predictions go; the ending decides: .csv, .tsv, .parquet or .arrow. "
            "Without it they are printed as CSV.",
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            "-k",
            metavar="COLUMN",
            help="Copy a column of DATA, such as an id, beside the predictions. May be repeated.",
        ),
    ] = None,
    delimiter: Delimiter = None,
    encoding: Encoding = "utf-8",
    rename_duplicates: RenameDuplicates = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Predict the target for every row of a table, or the class of every image.

    DATA is a table for a model of tables; an image file, a folder of images or a table of file
    names for a model of images.

    One row comes out for each row of DATA, in the same order: the prediction and, for classes, the
    probability of each. Missing values and unseen categories are no error; they are counted.

    \b
    [bold]Examples[/bold]
      steepest predict houses-model new.csv -o predictions.csv
      steepest predict spam-model mails.parquet --keep id -o answers.parquet
      steepest predict houses-model new.csv | head
    """
    shown = Output(as_json, quiet)
    with failures_reported(shown, debug):
        from steepest.cli import commands
        from steepest.cli.tables import TextFormat

        text_format = TextFormat(delimiter, encoding, rename_duplicates)
        commands.predict(model, data, output, tuple(keep or ()), text_format, shown)


@app.command(epilog=EXIT_CODES)
def summary(model: Model, as_json: Json = False, debug: Debug = False) -> None:
    """Show what a trained network was made of: target, columns, layers, training, test results.

    \b
    [bold]Examples[/bold]
      steepest summary houses-model
      steepest summary houses-model --json
    """
    shown = Output(as_json)
    with failures_reported(shown, debug):
        from steepest.cli import commands

        commands.summary(model, shown)


def run(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code.

    A wrong option is reported in JSON too where `--json` is among the arguments.
    """
    if "--json" not in arguments:
        return _run(arguments, standalone=True)
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    try:
        return _run(arguments, standalone=False)
    except usage_error as error:
        message = error.format_message()  # type: ignore[attr-defined]
        Output(as_json=True).failure("UsageError", message, EXIT_USAGE)
        return EXIT_USAGE


def _run(arguments: Sequence[str], standalone: bool) -> int:
    try:
        code = app(list(arguments), prog_name="steepest", standalone_mode=standalone)
    except SystemExit as stop:
        code = stop.code
    return code if isinstance(code, int) else 0
