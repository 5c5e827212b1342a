"""A training of a `TableModel` that can be killed at any moment; see test_table_model_resume.py.

    python killable_fit.py BACK_END CHECKPOINT_FOLDER MODEL_FOLDER

It goes on from the folder's newest checkpoint, prints a line when training is under way, and saves
the model when it is done.
"""

import dataclasses
import sys
import time

from table_samples import QUICK, multiclass

from steepest.models.tabular import TableModel
from steepest.models.tabular import model as tabular
from steepest.train.loop import FitLoop

PAUSE = 0.01
"""Seconds of sleep a step, so that a fast machine does not finish before it is killed."""


def slow_down():
    """Let every step take its time, and the first one say that training is under way."""
    run_batch = FitLoop._run_batch
    announced = []

    def slowly(loop):
        run_batch(loop)
        if not announced:
            print("training", flush=True)
            announced.append(True)
        time.sleep(PAUSE)

    FitLoop._run_batch = slowly


def main(back_end, checkpoint, folder):
    tabular.BACK_END = back_end
    slow_down()
    model = TableModel.fit(
        multiclass(rows=80),
        "answer",
        recipe=dataclasses.replace(QUICK, width=8),
        seed=3,
        progress="none",
        checkpoint=checkpoint,
        resume=True,
    )
    model.save(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
