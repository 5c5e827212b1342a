"""Every exit code, and every message word for word."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from command_samples import Command, Trained

from steepest.cli.failures import failures_reported
from steepest.cli.output import Output
from steepest.errors import (
    ArgumentError,
    CheckpointError,
    DataError,
    MissingExtraError,
    NonFiniteError,
    SteepestError,
)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (SteepestError("it failed."), 1, "it failed."),
        (NonFiniteError("NaN."), 1, "NaN."),
        (ArgumentError("wrong."), 2, "wrong."),
        (MissingExtraError("install."), 2, "install."),
        (DataError("bad."), 3, "bad."),
        (CheckpointError("damaged."), 3, "damaged."),
        (OSError(28, "No space left on device", "model"), 1, "model: No space left on device."),
        (MemoryError(), 1, "not enough memory for this table and network."),
        (
            KeyError("x"),
            1,
            "internal error: KeyError: 'x'. This is a defect in steepest; --debug shows where it "
            "happened.",
        ),
        (KeyboardInterrupt(), 130, "interrupted by Ctrl-C."),
    ],
)
def test_exit_codes(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as stop, failures_reported(Output(), debug=False):
        raise error
    assert stop.value.exit_code == code
    shown = capsys.readouterr()
    assert shown.err == f"error: {message}\n"
    assert shown.out == ""


def test_success_passes_through() -> None:
    with failures_reported(Output(), debug=False):
        pass


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), failures_reported(Output(), debug=True):
        raise DataError("bad.")
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_environment_is_checked(process: Command) -> None:
    shown = process("evaluate", "model", "data.csv", STEEPEST_DEBUGG="1")
    assert shown.code == 2
    assert shown.err == (
        "error: environment variable STEEPEST_DEBUGG is not an option of steepest. Did you mean "
        "'STEEPEST_DEBUG'?\n"
    )
    traced = process("evaluate", "model", "data.csv", STEEPEST_DEBUG="1")
    assert traced.code == 3
    assert "Traceback" in traced.err


def test_unknown_option_is_wrong_usage(process: Command) -> None:
    plain = process("train", "houses.csv", "--target", "price", "--epoch", "3")
    assert (plain.code, plain.out) == (2, "")
    assert "No such option: --epoch" in plain.err
    as_json = process("train", "houses.csv", "--json")
    assert (as_json.code, as_json.err) == (2, "")
    assert as_json.error["kind"] == "UsageError"
    assert "'--target'" in as_json.error["message"]
    assert as_json.error["exit_code"] == 2


TRAIN_USAGE = [
    (["--column", "town"], "--column 'town': write NAME=KIND, as in zip=category."),
    (
        ["--column", "town=categorie"],
        "--column 'town=categorie': 'categorie' is not a kind. Did you mean 'category'? Choose "
        "from: number, category, boolean, date, ignore.",
    ),
    (
        ["--column", "town=category", "--column", "town=ignore"],
        "--column 'town' is given as category and as ignore.",
    ),
    (["--test-fraction", "1.5"], "--test-fraction 1.5: must be above 0 and below 1, such as 0.2."),
    (
        ["--resume"],
        "--resume: 'houses-model' holds no training that was cut off. Leave --resume out to start "
        "one.",
    ),
    (
        ["--resume", "--overwrite"],
        "--resume goes on with a training, --overwrite starts afresh: give one.",
    ),
    (
        ["--output", "file"],
        "--output 'file' is a file; give the name of a folder.",
    ),
    (
        ["--output", "full"],
        "--output 'full' is a folder that holds something else; choose another name.",
    ),
]


@pytest.mark.parametrize(("options", "message"), TRAIN_USAGE)
def test_wrong_use_of_train(
    steepest: Command, data: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    shown = steepest("train", data / "houses.csv", "--target", "price", *options)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.splitlines()[-1] == f"error: {message}"
    assert (tmp_path / "full" / "thesis.txt").read_text() == "x"


def test_a_model_is_not_replaced_unasked(
    steepest: Command, data: Path, house_model: Trained
) -> None:
    table = data / "houses.csv"
    shown = steepest("train", table, "--target", "price", "--output", house_model.folder)
    assert shown.code == 2
    assert shown.err == (
        f"error: --output {str(house_model.folder)!r} holds a model already. --overwrite replaces "
        "it; or choose another name.\n"
    )


def test_bad_tables(steepest: Command, data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "same.csv").write_text("a,y\n1,5\n2,5\n3,5\n")
    cases = {
        "0.parquet": "0.parquet: there is no such file.",
        "empty.csv": "empty.csv: the file is empty.",
        "same.csv": "The target 'y' is 5 in every row: there is nothing to learn.",
    }
    for name, message in cases.items():
        shown = steepest("train", name, "--target", "y", "--json")
        assert (shown.code, shown.err) == (3, "")
        assert shown.error == {"kind": "DataError", "message": message, "exit_code": 3}
    missing = steepest("train", data / "houses.csv", "--target", "prise")
    assert missing.code == 3
    assert missing.err.splitlines()[-1] == (
        "error: The table has no target column 'prise'. Did you mean 'price'? Its columns are "
        "'id', 'area', 'town' and 'price'."
    )


def test_hints_are_in_the_words_of_the_command(steepest: Command, tmp_path: Path) -> None:
    (tmp_path / "keys.csv").write_text("id,y\n" + "".join(f"k{n},{n % 7}.5\n" for n in range(40)))
    shown = steepest("train", "keys.csv", "--target", "y")
    assert shown.code == 3
    assert "--column 'Zip=category'" in shown.err
    assert "columns=" not in shown.err


def test_models_that_are_none(steepest: Command, data: Path, tmp_path: Path) -> None:
    shown = steepest("evaluate", "nowhere", data / "houses.csv")
    assert shown.code == 3
    assert shown.err.startswith("error: ")
    assert "nowhere" in shown.err
    (tmp_path / "other").mkdir()
    assert steepest("summary", "other").code == 3


def test_a_damaged_model_is_bad_data(
    steepest: Command, data: Path, house_model: Trained, tmp_path: Path
) -> None:
    for file in sorted(house_model.folder.iterdir()):
        if file.suffix not in (".json", ".safetensors") or file.name == "result.json":
            continue
        copy = tmp_path / file.stem
        copy.mkdir()
        for each in house_model.folder.iterdir():
            content = each.read_bytes()
            (copy / each.name).write_bytes(
                content[: len(content) // 2] if each == file else content
            )
        shown = steepest("evaluate", copy, data / "houses.csv", "--json")
        assert shown.code == 3, file.name
        assert shown.error["kind"] == "CheckpointError"


PREDICT_USAGE = [
    (
        ["-o", "out.xlsx"],
        "--output 'out.xlsx': the ending decides the format; use one of .csv, .tsv, .parquet, "
        ".arrow, .feather, .ipc.",
    ),
    (["-o", "no/out.csv"], "--output 'no/out.csv': there is no folder 'no'."),
    (["-o", "folder.csv"], "--output 'folder.csv' is a folder; give the path of a file."),
    (
        ["-o", "new.csv"],
        "--output 'new.csv' is the table that the predictions are made from; choose another file.",
    ),
    (
        ["-o", "link.csv"],
        "--output 'link.csv' is the table that the predictions are made from; choose another file.",
    ),
    (
        ["--keep", "idd"],
        "--keep 'idd': the table has no such column. Did you mean 'id'?",
    ),
    (
        ["--keep", "predicted_price"],
        "--keep 'predicted_price' has the name of a column of predictions.",
    ),
]


@pytest.mark.parametrize(("options", "message"), PREDICT_USAGE)
def test_wrong_use_of_predict(
    steepest: Command, house_model: Trained, tmp_path: Path, options: list[str], message: str
) -> None:
    table = "id,area,town,predicted_price\n1,50,north,9\n"
    (tmp_path / "new.csv").write_text(table)
    (tmp_path / "link.csv").symlink_to(tmp_path / "new.csv")
    (tmp_path / "folder.csv").mkdir()
    shown = steepest("predict", house_model.folder, "new.csv", "--quiet", *options)
    assert (shown.code, shown.out) == (2, "")
    assert shown.err == f"error: {message}\n"
    assert (tmp_path / "new.csv").read_text() == table


def test_predict_in_json_needs_a_file(steepest: Command, house_model: Trained) -> None:
    shown = steepest("predict", house_model.folder, "new.csv", "--json")
    assert shown.error["message"] == (
        "--json needs --output FILE: standard output is for the JSON object."
    )


def test_predict_without_a_column_that_training_used(
    steepest: Command, house_model: Trained, tmp_path: Path
) -> None:
    (tmp_path / "new.csv").write_text("id,aera,town\n1,50,north\n")
    shown = steepest("predict", house_model.folder, "new.csv")
    assert (shown.code, shown.out) == (3, "")
    assert shown.err == (
        "error: The table lacks 1 column that training used: 'area'. For 'area', did you mean "
        "'aera'?\n"
    )
