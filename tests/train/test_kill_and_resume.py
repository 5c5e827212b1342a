"""A training process killed with SIGKILL at random moments ends with the very same bits."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = Path(__file__).parent / "killable_training.py"
KILLS = 20
LONGEST_LIFE = 0.16
"""Seconds of training after which a process is killed at the latest."""


def start(folder, result):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder), str(result)], stdout=subprocess.PIPE, text=True
    )


def outcome(result):
    return json.loads(result.read_text())


def run_with_kills(folder, result, moments, most):
    """Run until the training is finished; return how often it was killed on the way."""
    kills = 0
    while True:
        process = start(folder, result)
        if kills == most:
            process.communicate()
            assert process.returncode == 0
            return kills
        process.stdout.readline()
        time.sleep(moments.uniform(0.0, LONGEST_LIFE))
        process.kill()
        process.stdout.close()
        if process.wait() == 0:
            return kills
        assert process.returncode == -signal.SIGKILL
        kills += 1


def test_same_bits_after_any_number_of_kills(tmp_path):
    undisturbed = start(tmp_path / "undisturbed", tmp_path / "undisturbed.json")
    undisturbed.communicate()
    assert undisturbed.returncode == 0
    expected = outcome(tmp_path / "undisturbed.json")
    assert expected["history"]["best_epoch"] is not None
    assert len(expected["history"]["records"]) == 4

    moments = random.Random(0)
    kills = 0
    runs = 0
    while kills < KILLS:
        folder = tmp_path / f"killed-{runs}"
        result = tmp_path / f"killed-{runs}.json"
        kills += run_with_kills(folder, result, moments, KILLS - kills)
        runs += 1
        assert outcome(result) == expected
    assert runs <= KILLS / 2, "the processes must mostly be killed before they finish"
