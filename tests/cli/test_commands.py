"""What the commands make: folders, files, tables and JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_samples import ROWS, Command, Trained, houses, weights_of

from steepest.cli.wording import as_typed
from steepest.models.tabular import TableModel

TRAIN_KEYS = [
    "model",
    "report",
    "data",
    "target",
    "task",
    "rows",
    "parts",
    "columns",
    "epochs",
    "best_epoch",
    "kept_epochs",
    "interrupted",
    "metrics",
    "findings",
    "notes",
    "seed",
    "seconds",
    "version",
]


def test_train_prints_one_json_object(house_model: Trained) -> None:
    result = house_model.result
    assert result.err == ""
    found = result.json
    assert list(found) == TRAIN_KEYS
    assert (found["target"], found["task"], found["rows"]) == ("price", "regression", ROWS)
    assert sum(found["parts"].values()) == ROWS
    assert found["parts"]["test"] == 32
    assert found["columns"]["used"] == ["area", "town"]
    assert [each["name"] for each in found["columns"]["left_out"]] == ["id"]
    assert found["epochs"] == 3
    assert found["interrupted"] is False
    assert set(found["metrics"]) == {"network", "linear", "constant"}
    for metrics in found["metrics"].values():
        assert set(metrics) == {"mae", "rmse", "r2"}
    assert found["metrics"]["linear"]["r2"] > 0.9


def test_train_leaves_model_report_and_result(house_model: Trained) -> None:
    names = {entry.name for entry in house_model.folder.iterdir()}
    assert {"report.html", "result.json"} <= names
    assert "checkpoint" not in names
    kept = json.loads((house_model.folder / "result.json").read_text())
    assert kept == house_model.result.json
    page = (house_model.folder / "report.html").read_text("utf-8")
    assert "Predicting <b>price</b> from <b>houses.csv</b>" in page
    assert "steepest predict" in page
    assert f"steepest train {house_model.result.json['data']} --target price" in page
    assert "Learning rate" in page
    assert "columns={" not in page


def test_train_in_words(steepest: Command, data: Path, tmp_path: Path) -> None:
    shown = steepest("train", data / "houses.csv", "--target", "price", "--epochs", "2")
    assert shown.code == 0, shown.err
    assert "On rows it has never seen, the prediction misses by " in shown.out
    assert "on 32 test rows" in shown.out
    assert "Mean absolute error" in shown.out
    assert "report  houses-model/report.html" in shown.out
    assert "next    steepest predict houses-model new.csv -o out.csv" in shown.out
    assert "houses.csv: 160 rows, 4 columns" in shown.err
    assert "epoch 2/2" in shown.err
    assert (tmp_path / "houses-model" / "report.html").exists()


def test_quiet_train_says_results_only(steepest: Command, data: Path) -> None:
    table = data / "mails.parquet"
    shown = steepest("train", table, "-t", "kind", "-o", "m", "--epochs", "1", "-q")
    assert shown.code == 0
    assert shown.err == ""
    assert "Balanced accuracy" in shown.out


def test_same_seed_same_model_and_overwrite_replaces_it(
    steepest: Command, data: Path, house_model: Trained, tmp_path: Path
) -> None:
    words = ["train", data / "houses.csv", "-t", "price", "-o", "m", "--epochs", "3", "-q"]
    assert steepest(*words).code == 0
    assert weights_of(tmp_path / "m") == weights_of(house_model.folder)
    assert steepest(*words, "--overwrite", "--seed", "1").code == 0
    assert weights_of(tmp_path / "m") != weights_of(house_model.folder)
    assert json.loads((tmp_path / "m" / "result.json").read_text())["seed"] == 1


def test_evaluate(steepest: Command, data: Path, house_model: Trained) -> None:
    found = steepest("evaluate", house_model.folder, data / "houses.csv", "--json").json
    model = TableModel.load(house_model.folder)
    assert found["rows"] == ROWS
    assert found["metrics"]["mae"] == pytest.approx(
        float(np.abs(model.predict(houses()) - houses()["price"].to_numpy()).mean())
    )
    shown = steepest("evaluate", house_model.folder, data / "houses.csv")
    assert shown.code == 0
    assert "price on 160 rows of houses.csv" in shown.out
    assert "less is better" in shown.out


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "arrow"])
def test_predict_writes_every_row_in_order(
    steepest: Command, data: Path, house_model: Trained, tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"out.{ending}"
    words = ["predict", house_model.folder, data / "houses.csv", "-o", file, "--keep", "id"]
    found = steepest(*words, "--json").json
    assert found["columns"] == ["id", "predicted_price"]
    assert found["rows"] == ROWS
    readers = {
        "csv": pl.read_csv,
        "tsv": lambda path: pl.read_csv(path, separator="\t"),
        "parquet": pl.read_parquet,
        "arrow": pl.read_ipc,
    }
    table = readers[ending](file)
    assert table["id"].to_list() == houses()["id"].to_list()
    expected = TableModel.load(house_model.folder).predict(houses())
    assert np.allclose(table["predicted_price"].to_numpy(), expected)
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]


def test_predict_prints_csv(steepest: Command, data: Path, mail_model: Trained) -> None:
    shown = steepest("predict", mail_model.folder, data / "mails.parquet")
    assert shown.code == 0
    table = pl.read_csv(io.StringIO(shown.out))
    assert table.columns == [
        "predicted_kind",
        "probability_ham",
        "probability_news",
        "probability_spam",
    ]
    probabilities = table.select(pl.exclude("predicted_kind")).to_numpy()
    assert np.allclose(probabilities.sum(axis=1), 1)
    best = np.array(["ham", "news", "spam"])[probabilities.argmax(axis=1)]
    assert table["predicted_kind"].to_list() == best.tolist()


def test_predict_copes_with_missing_and_unseen_values(
    steepest: Command, house_model: Trained, tmp_path: Path
) -> None:
    (tmp_path / "new.csv").write_text("area;town;extra\n50;north;1\n;east;2\n")
    shown = steepest("predict", house_model.folder, "new.csv")
    assert shown.code == 0
    assert len(shown.out.splitlines()) == 3
    assert "note: " in shown.err
    assert "'east'" in shown.err
    assert "'extra'" in shown.err
    assert steepest("predict", house_model.folder, "new.csv", "-q").err == ""


def test_summary(steepest: Command, mail_model: Trained) -> None:
    shown = steepest("summary", mail_model.folder)
    assert shown.code == 0
    assert "predicts kind (multiclass: ham, news, spam)" in shown.out
    assert "from 2 columns: 2 number" in shown.out
    assert "Accuracy" in shown.out
    found = steepest("summary", mail_model.folder, "--json").json
    *first, last = found["kept_epochs"]
    kept = f"epochs {', '.join(map(str, first))} and {last}" if first else f"epoch {last}"
    assert f"trained for 3 epochs, weights of {kept} kept\n" in shown.out
    assert found["target"] == {
        "name": "kind",
        "task": "multiclass",
        "classes": ["ham", "news", "spam"],
    }
    assert found["parameters"] == sum(layer["parameters"] for layer in found["layers"])
    assert found["metrics"] == mail_model.result.json["metrics"]["network"]


@pytest.mark.parametrize(
    ("python", "typed"),
    [
        ("pass columns={'zip': 'category'}.", "pass --column 'zip=category'."),
        ("pass task='regression'.", "pass --task regression."),
        ("learned (log); target_transform='none' turns this off.", "learned (log);"),
        ("pass encoding='latin-1'", "pass --encoding 'latin-1'"),
        ("nothing to change", "nothing to change"),
    ],
)
def test_wording(python: str, typed: str) -> None:
    assert as_typed(python) == typed
