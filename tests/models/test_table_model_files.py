"""Saving and loading: the same bits in another process, and every damage refused in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table_samples import Trained, binary, outputs, quick_fit, regression, weights_of

import steepest as st
from steepest.errors import CheckpointError
from steepest.models import files
from steepest.models.tabular import TableModel
from steepest.train.files import checksum

ELSEWHERE = """
import sys
import numpy as np
import polars as pl
from steepest.models import TableModel

model = TableModel.load(sys.argv[1])
frame = pl.read_parquet(sys.argv[2])
is_number = model.target.task == "regression"
answer = model.predict(frame) if is_number else model.predict_probabilities(frame)
np.save(sys.argv[3], answer)
"""
"""Loads a model and predicts, in a process that has not trained it."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("models") / "saved"
    quick_fit(regression(rows=60), epochs=1).save(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of the saved model, to be damaged."""
    copy = tmp_path / "model"
    copy.mkdir()
    for path in saved.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def weights_file(folder: Path) -> Path:
    (path,) = folder.glob("weights-*.safetensors")
    return path


def refusal(folder: Path | str) -> str:
    """The message with which a folder is refused."""
    with pytest.raises(CheckpointError) as caught:
        TableModel.load(folder)
    return str(caught.value)


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None], honest: bool = True) -> None:
    """Change the JSON file; with `honest`, its checksum as well, as a forger would."""
    path = folder / "model.json"
    document = json.loads(path.read_text("utf-8"))
    change(document)
    if honest:
        document.pop("checksum", None)
        document["checksum"] = files._document_checksum(document)
    path.write_text(json.dumps(document), "utf-8")


def test_fresh_process_predicts_the_same_bits(trained: Trained, tmp_path: Path) -> None:
    trained.model.save(tmp_path / "model")
    table, result = tmp_path / "table.parquet", tmp_path / "answer.npy"
    trained.frame.write_parquet(table)
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "model", table, result], check=True, timeout=60
    )
    expected = outputs(trained.model, trained.frame)
    answer = np.load(result)
    assert answer.dtype == expected.dtype
    assert answer.tobytes() == expected.tobytes()


def test_everything_else_comes_back_too(trained: Trained, tmp_path: Path) -> None:
    trained.model.save(tmp_path)
    loaded = TableModel.load(tmp_path)
    assert weights_of(loaded) == weights_of(trained.model)
    assert loaded.target == trained.model.target
    assert loaded.preprocessor == trained.model.preprocessor
    assert loaded.recipe == trained.model.recipe
    assert loaded.settings == trained.model.settings
    assert loaded.history.to_dict() == trained.model.history.to_dict()
    assert loaded.answer_range == trained.model.answer_range
    assert loaded.network.cycle_weights == trained.model.network.cycle_weights
    assert loaded.network.linear_weight == trained.model.network.linear_weight
    assert loaded.evaluate(trained.frame) == trained.model.evaluate(trained.frame)
    loaded.save(tmp_path / "again")
    for path in sorted((tmp_path / "again").iterdir()):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_folder_holds_two_files_of_plain_data(saved: Path) -> None:
    names = sorted(path.name for path in saved.iterdir())
    assert names == ["model.json", weights_file(saved).name]
    document = json.loads((saved / "model.json").read_text("utf-8"))
    assert document["format"] == "steepest.table_model"
    assert document["weights"]["checksum"] == checksum(weights_file(saved).read_bytes())
    tensors = st.load(weights_file(saved))
    width = TableModel.load(saved).features.width
    assert tensors["cycles.0.hidden.0.weight"].shape == (4, width, 16)


def test_weights_are_readable_by_other_programs(saved: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    own = st.load(weights_file(saved))
    theirs = safetensors.load_file(weights_file(saved))
    assert theirs.keys() == own.keys()
    for name, values in theirs.items():
        assert values.tobytes() == own[name].numpy().tobytes()


def test_no_model_there(tmp_path: Path) -> None:
    advice = (
        "holds no model: model.json is not there. Give the folder that TableModel.save or "
        "`steepest train` wrote."
    )
    assert refusal(tmp_path / "nowhere") == f"{str(tmp_path / 'nowhere')!r} {advice}"
    assert refusal(str(tmp_path)) == f"{str(tmp_path)!r} {advice}"
    file = tmp_path / "table.csv"
    file.write_text("a,b\n1,2\n")
    assert refusal(file) == f"{str(file)!r} {advice}"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "Expecting value: line 1 column 1 (char 0)"),
        (b'{"format": "steepest.table_', "Unterminated string starting at: line 1 column 12 (char"),
        (b"\x80\x04\x95", "'utf-8' codec can't decode byte 0x80 in position 0: invalid start byte"),
        (b"[" * 100_000, "maximum recursion depth exceeded"),
    ],
)
def test_model_file_that_is_no_json(folder: Path, content: bytes, fault: str) -> None:
    (folder / "model.json").write_bytes(content)
    assert refusal(folder).startswith(f"{folder / 'model.json'} is damaged: {fault}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "table_model: expected a JSON object, not list."),
        (
            '{"name": "react", "version": "1.0.0"}',
            "table_model: the document's format is None, not 'steepest.table_model'.",
        ),
        (
            '{"format": "steepest.table_model", "version": 2}',
            "table_model: the document has version 2, but this steepest reads version 1. Use the "
            "steepest that wrote it, or train again.",
        ),
    ],
)
def test_foreign_model_file(folder: Path, content: str, message: str) -> None:
    (folder / "model.json").write_text(content)
    assert refusal(folder) == message


def test_any_changed_value_is_noticed(folder: Path) -> None:
    damaged = f"{folder / 'model.json'} is damaged: its checksum is wrong."
    original = (folder / "model.json").read_bytes()

    def change_number(document: dict[str, Any]) -> None:
        document["preprocessor"]["scaler"]["centers"][0] += 1e-9

    def change_word(document: dict[str, Any]) -> None:
        document["target"]["name"] = "other"

    for change in (change_number, change_word):
        rewrite(folder, change, honest=False)
        assert refusal(folder) == damaged
        (folder / "model.json").write_bytes(original)
    TableModel.load(folder)


def without(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return change


def with_value(value: Any, *path: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("features"), "table_model: the document lacks 'features'."),
        (with_value(1, "code"), "table_model: unknown key 'code'."),
        (without("weights", "file"), "table_model weights: the document lacks 'file'."),
        (without("target", "mean"), "table_target: the document lacks 'mean'."),
        (
            with_value([float("nan")], "mixture", "cycles"),
            "mixture: expected a finite number, not nan.",
        ),
        (
            with_value([0, "9"], "answer_range"),
            "answer_range: expected a finite number, not '9'.",
        ),
        (
            with_value(-1, "recipe", "width"),
            "{document} is damaged: ArgumentError('Recipe: width must be a whole number of at "
            "least 1, not -1.').",
        ),
        (
            with_value(3, "recipe", "hidden"),
            '{document} is damaged: TypeError("Recipe.__init__() got an unexpected keyword '
            "argument 'hidden'\").",
        ),
        (
            with_value(["x"], "features", "spikes"),
            "table features: the document is damaged: not enough values to unpack (expected 2, got "
            "1).",
        ),
        (
            with_value([3], "features", "cardinalities"),
            "table features: they do not fit the preprocessor.",
        ),
        (with_value({}, "history"), "history: the entry 'records' is missing."),
    ],
)
def test_forged_model_file(folder: Path, change: Any, message: str) -> None:
    rewrite(folder, change)
    assert refusal(folder) == message.format(document=folder / "model.json")


def test_weights_that_do_not_fit_the_network(folder: Path) -> None:
    rewrite(folder, with_value(8, "recipe", "width"))
    message = refusal(folder)
    assert message.startswith(
        "load_state_dict: the state does not fit MixedNetwork, nothing was changed:\n"
    )
    assert "'cycles.0.output.weight' is (4, 16, 1) in the state, but (4, 8, 1) here" in message


def test_weights_missing_or_damaged(folder: Path) -> None:
    path = weights_file(folder)
    content = path.read_bytes()
    damaged = f"{path} is damaged: its checksum is not the one in model.json."
    for broken in (b"", content[:-1], content + b"\0", b"\xff" + content[1:]):
        path.write_bytes(broken)
        assert refusal(folder) == damaged
    path.unlink()
    assert refusal(folder) == f"{path} cannot be read: No such file or directory."
    path.mkdir()
    assert refusal(folder) == f"{path} cannot be read: Is a directory."


def test_weights_of_another_model(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    quick_fit(binary(rows=40), epochs=1).save(other)
    weights_file(folder).write_bytes(weights_file(other).read_bytes())
    assert "its checksum is not the one in model.json" in refusal(folder)


def test_weights_are_looked_for_in_the_folder_only(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(weights_file(folder).read_bytes())
    rewrite(folder, with_value("../secret", "weights", "file"))
    assert refusal(folder) == f"{folder / 'secret'} cannot be read: No such file or directory."


def test_pickled_weights_are_not_opened(folder: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    payload = f"cos\nsystem\n(S'touch {trap}'\ntR.".encode()
    weights_file(folder).write_bytes(payload)
    rewrite(folder, with_value(checksum(payload), "weights", "checksum"))
    message = refusal(folder)
    assert "is not a whole safetensors file" in message
    (folder / "model.json").write_bytes(payload)
    refusal(folder)
    assert not trap.exists()


class InterruptedSaveError(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("step", range(4))
def test_save_that_is_cut_off_leaves_the_old_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The file system calls of a save, in order, fail one after the other."""
    old = weights_of(TableModel.load(folder))
    new_model = quick_fit(regression(rows=60), epochs=2)
    calls = 0

    def failing(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > step:
                raise InterruptedSaveError
            return call(*arguments, **options)

        return wrapped

    monkeypatch.setattr(os, "fsync", failing(os.fsync))
    monkeypatch.setattr(os, "replace", failing(os.replace))
    with pytest.raises(InterruptedSaveError):
        new_model.save(folder)
    monkeypatch.undo()
    assert weights_of(TableModel.load(folder)) == old
    new_model.save(folder)
    assert weights_of(TableModel.load(folder)) == weights_of(new_model)
    assert len(list(folder.iterdir())) == 2


def test_save_removes_its_own_old_files_only(folder: Path) -> None:
    kept = [folder / "weights-mine.safetensors", folder / ".notes.partial", folder / "report.html"]
    gone = [folder / ".model.json.77.partial", weights_file(folder)]
    for path in (*kept, gone[0]):
        path.write_text("x")
    quick_fit(regression(rows=60), epochs=2).save(folder)
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)
    TableModel.load(folder)


def test_saving_twice_changes_nothing(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    TableModel.load(folder).save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_save_to_a_place_that_cannot_be_written(saved: Path, tmp_path: Path) -> None:
    model = TableModel.load(saved)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(CheckpointError) as caught:
        model.save(file)
    message = f"TableModel.save: cannot write to {str(file)!r}: File exists."
    assert str(caught.value) == f"{message} Make room or choose another folder."
