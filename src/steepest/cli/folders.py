"""The folder that `steepest train` writes: checked before any work is done.

houses-model/
  model files     see steepest.models
  report.html     the report
  result.json     what `steepest train --json` prints
  checkpoint/     while training runs, or after it was cut off
"""

from __future__ import annotations

import shutil
from pathlib import Path

from steepest.cli.failures import UsageError

REPORT = "report.html"
RESULT = "result.json"
CHECKPOINT = "checkpoint"
MODEL = "model.json"


def default_folder(data: Path) -> Path:
    """The folder for a table, in the working directory: `houses.csv.gz` gives `houses-model`."""
    return Path(f"{data.name.split('.')[0] or 'table'}-model")


def check_folder(folder: Path, overwrite: bool, resume: bool) -> None:
    """Refuse a folder that would lose something, or that has nothing to resume.

    Raises:
        UsageError: with the option that would help.
    """
    if resume and overwrite:
        raise UsageError("--resume goes on with a training, --overwrite starts afresh: give one.")
    has_checkpoint = any((folder / CHECKPOINT).glob("checkpoint-*.json"))
    if resume:
        if not has_checkpoint:
            raise UsageError(
                f"--resume: {str(folder)!r} holds no training that was cut off. Leave --resume out "
                "to start one."
            )
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output {str(folder)!r} is a file; give the name of a folder.")
    if not folder.exists() or not any(folder.iterdir()):
        return
    has_model = (folder / MODEL).exists()
    if not has_model and not has_checkpoint:
        raise UsageError(
            f"--output {str(folder)!r} is a folder that holds something else; choose another name."
        )
    if overwrite:
        return
    if has_checkpoint:
        raise UsageError(
            f"--output {str(folder)!r} holds a training that was cut off. --resume goes on with "
            "it, --overwrite starts afresh."
        )
    raise UsageError(
        f"--output {str(folder)!r} holds a model already. --overwrite replaces it; or choose "
        "another name."
    )


def forget_checkpoint(folder: Path) -> None:
    """Remove the checkpoints of a training that is finished or given up."""
    shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)
