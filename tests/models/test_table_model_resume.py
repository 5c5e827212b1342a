"""Checkpoints of `TableModel.fit`: killed and resumed it ends in the same bits."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from table_samples import QUICK, outputs, quick_fit, regression, weights_of

from steepest.errors import CheckpointError

SCRIPT = Path(__file__).parent / "killable_fit.py"
KILLS = 4
LONGEST_LIFE = 0.12
"""Seconds of training after which a process is killed at the latest."""


def start(back_end: str, folder: Path, name: str, threads: int = 1) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, SCRIPT, back_end, folder / f"{name}-checkpoint", folder / name],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "STEEPEST_THREADS": str(threads)},
    )


def finish(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=60)
    assert process.returncode == 0


def kill(process: subprocess.Popen[str], after: float) -> bool:
    """Kill a process some seconds after training began; False if it was done before."""
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(after)
    process.kill()
    process.stdout.close()
    if process.wait(timeout=60) == 0:
        return False
    assert process.returncode == -signal.SIGKILL
    return True


def run_with_kills(folder: Path, name: str, moments: random.Random, most: int) -> int:
    """Run until the training is finished; return how often it was killed on the way."""
    kills = 0
    while kills < most:
        if not kill(start("evaluator", folder, name), moments.uniform(0, LONGEST_LIFE)):
            return kills
        kills += 1
    finish(start("evaluator", folder, name))
    return kills


def bits(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """All that training produced, but the seconds it took."""
    (weights,) = folder.glob("weights-*.safetensors")
    document = json.loads((folder / "model.json").read_text("utf-8"))
    del document["history"]["seconds"], document["checksum"]
    return weights.read_bytes(), document


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_killed_and_resumed_ends_in_the_same_bits(tmp_path: Path) -> None:
    finish(start("evaluator", tmp_path, "whole"))
    expected = bits(tmp_path / "whole")
    assert expected[1]["history"]["best_epoch"] is not None
    moments = random.Random(0)
    kills = 0
    runs = 0
    while kills < KILLS:
        name = f"killed-{runs}"
        kills += run_with_kills(tmp_path, name, moments, KILLS - kills)
        runs += 1
        assert bits(tmp_path / name) == expected
    assert runs <= KILLS, "the processes must mostly be killed before they finish"


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_natively_the_number_of_threads_may_change_at_the_resume(tmp_path: Path) -> None:
    finish(start("native", tmp_path, "whole", threads=1))
    assert kill(start("native", tmp_path, "killed", threads=1), LONGEST_LIFE / 2)
    finish(start("native", tmp_path, "killed", threads=2))
    assert bits(tmp_path / "killed") == bits(tmp_path / "whole")


def test_finished_training_resumes_to_itself(tmp_path: Path) -> None:
    frame = regression(rows=60)
    whole = quick_fit(frame, checkpoint=tmp_path)
    again = quick_fit(frame, checkpoint=tmp_path, resume=True)
    assert weights_of(again) == weights_of(whole)
    assert again.history.best_epoch == whole.history.best_epoch
    assert outputs(again, frame).tobytes() == outputs(whole, frame).tobytes()


def test_folder_with_checkpoints_is_not_written_over(tmp_path: Path) -> None:
    frame = regression(rows=60)
    quick_fit(frame, epochs=1, checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match="already holds checkpoints of a training"):
        quick_fit(frame, epochs=1, checkpoint=tmp_path)


def refusal(folder: Path, **options: Any) -> str:
    frame = options.pop("frame", regression(rows=60))
    with pytest.raises(CheckpointError) as caught:
        quick_fit(frame, checkpoint=folder, resume=True, **options)
    return str(caught.value)


def test_resume_refuses_another_training(tmp_path: Path) -> None:
    frame = regression(rows=60)
    quick_fit(frame, epochs=2, checkpoint=tmp_path)
    head = "fit: the checkpoint is of another training and cannot be resumed: "
    tail = ". Use what it was trained with, or another checkpoint folder."

    assert refusal(tmp_path, epochs=3) == f"{head}epochs was 2, but is 3 now{tail}"
    rate = dataclasses.replace(QUICK, learning_rate=0.5)
    message = refusal(tmp_path, epochs=2, recipe=rate)
    expected = f"learning_rate was {QUICK.learning_rate!r}, but is 0.5 now"
    assert message == f"{head}{expected}{tail}"
    assert "seed was 0, but is 1 now" in refusal(tmp_path, epochs=2, seed=1)

    changed = frame.to_dict(as_series=False)
    changed["weight"][7] = 0.5
    message = refusal(tmp_path, epochs=2, frame=type(frame)(changed))
    assert message.startswith(f"{head}features was '(60, ")
    quick_fit(frame, epochs=2, checkpoint=tmp_path, resume=True)
