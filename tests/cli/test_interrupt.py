"""Ctrl-C in a real process: exit code 130, work kept, and a resume that ends in the same bits."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from command_samples import Command, command_line, weights_of

EPOCHS = 240


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_interrupted_training_is_kept_and_resumes_to_the_same_bits(
    process: Command, data: Path, tmp_path: Path
) -> None:
    table = data / "houses.csv"
    options = [table, "--target", "price", "--epochs", str(EPOCHS), "--seed", "3"]
    running = subprocess.Popen(
        command_line("train", *options, "--output", "cut"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("epoch "):
            running.send_signal(signal.SIGINT)
            break
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "stopped by Ctrl-C after " in err
    again = f"steepest train {shlex.quote(str(table))} --target price --output cut"
    assert f"{again} --epochs {EPOCHS} --seed 3 --resume" in err
    assert "Not finished:" in out
    assert (tmp_path / "cut" / "report.html").exists()
    assert (tmp_path / "cut" / "checkpoint").is_dir()
    assert process("evaluate", "cut", table).code == 0

    refused = process("train", *options, "--output", "cut")
    assert refused.code == 2
    assert "holds a training that was cut off. --resume goes on with it" in refused.err

    resumed = process("train", *options, "--output", "cut", "--resume", "--json")
    assert resumed.code == 0, resumed.out
    assert not resumed.json["interrupted"]
    assert not (tmp_path / "cut" / "checkpoint").exists()
    whole = process("train", *options, "--output", "whole", "--json")
    assert whole.code == 0
    assert weights_of(tmp_path / "cut") == weights_of(tmp_path / "whole")
    assert resumed.json["metrics"] == whole.json["metrics"]
