"""The harness runs end to end on tiny networks, and its JSON has the form that is stated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
QUICK = ["--rounds", "2", "--round-seconds", "0.001", "--settle-seconds", "0.001", "--threads", "1"]


def run(arguments: list[str], folder: Path) -> tuple[subprocess.CompletedProcess[str], Any]:
    """Run the command quickly; return what it did and its JSON."""
    file = folder / "results.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments, *QUICK, "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done, json.loads(file.read_text()) if file.exists() else None


def check_form(found: Any) -> dict[str, Any]:
    """Hold JSON against the stated form; return its only result."""
    assert {"machine", "results"} <= found.keys()
    assert {"peak_gflops", "bandwidth_gb_s", "threads", "versions"} <= found["machine"].keys()
    (result,) = found["results"]
    stated = {"workload", "median_us", "ratio", "share_of_peak", "first_step_s", "peak_memory_mb"}
    assert stated <= result.keys()
    assert result["failed"] == {}
    assert 0 < result["share_of_peak"] < 1.5
    for name, median in result["median_us"].items():
        assert median > 0
        assert result["first_step_s"][name]["cold"] > 0
        assert result["peak_memory_mb"][name] > 0
    return result


def test_training_with_dropout_is_compared_without_it(tmp_path: Path) -> None:
    network = ["--layers", "12,8,3", "--batch", "4", "--clip-norm", "1"]
    arguments = ["train", "mlp-dropout", *network, "--evaluator", "--peers"]
    done, found = run(arguments, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    result = check_form(found)
    assert result["workload"] == "mlp-dropout"
    assert set(result["median_us"]) == {"steepest", "evaluator"}
    assert result["ratio"] is None
    assert result["difference"]["evaluator"] < 1e-5
    assert "| mlp-dropout |" in done.stdout


def test_prediction(tmp_path: Path) -> None:
    arguments = ["predict", "tabular", "--layers", "6,8,3", "--batch", "4", "--peers"]
    done, found = run(arguments, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert found["mode"] == "predict"
    assert check_form(found)["difference"] == {"steepest": 0.0}


def test_pytorch_agrees_and_gives_a_ratio(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    arguments = ["train", "tabular", "--layers", "6,8,3", "--batch", "4", "--peers", "torch"]
    done, found = run(arguments, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    result = check_form(found)
    medians = result["median_us"]
    assert result["fastest_peer"] == "torch"
    assert result["ratio"] == pytest.approx(medians["torch"] / medians["steepest"], rel=1e-3)
    assert result["difference"]["steepest"] < 1e-5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "mpl"], "no workload is called 'mpl'"),
        (["train", "mlp", "--columns", "3"], "mlp has no option 'columns'; it takes layers, batch"),
        (["train", "deep", "--layers", "8,4,6,2"], "hidden widths must be the same"),
        (["train", "mlp", "--layers", "8,x4"], "'x4' is no width"),
        (["train", "mlp", "--threads", "2", "--processor-time"], "add --threads 1"),
    ],
)
def test_bad_arguments_are_refused(arguments: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert message in done.stderr
