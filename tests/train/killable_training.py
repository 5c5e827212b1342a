"""A small training run that can be killed at any moment; started by test_kill_and_resume.py.

    python killable_training.py CHECKPOINT_FOLDER RESULT_FILE

It goes on from the folder's newest checkpoint, prints a line when its first step is done, and
writes the hashes of all that training produced to the result file.
"""

import hashlib
import json
import sys
import time

import numpy as np

import steepest as st
from steepest import nn, optim
from steepest.train import Callback, Checkpoint, EarlyStopping, LearningRateSchedule
from steepest.train.packing import pack
from steepest.train.state import capture

EPOCHS = 4
PAUSE = 0.004
"""Seconds of sleep a step, so that a fast machine does not finish before it is killed."""


class Announce(Callback):
    """Tells the test that training is under way, and slows it down."""

    def __init__(self):
        self.is_announced = False

    def on_batch_end(self, trainer, batch, loss):
        del trainer, batch, loss
        time.sleep(PAUSE)
        if not self.is_announced:
            print("training", flush=True)
            self.is_announced = True


def main(folder, result):
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(300, 8))
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    st.random.seed(1)
    model = nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2)
    )
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    schedule = LearningRateSchedule(optim.CosineAnnealingLR(optimizer, T_max=150), per="step")
    trainer = st.Trainer(
        model,
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        metrics=["accuracy", "roc_auc"],
        schedule=schedule,
        clip_norm=1.0,
        seed=3,
    )
    history = trainer.fit(
        x,
        y,
        epochs=EPOCHS,
        batch_size=11,
        validation_fraction=0.2,
        early_stopping=EarlyStopping(patience=EPOCHS),
        checkpoint=Checkpoint(folder, every_batches=5),
        resume=True,
        callbacks=[Announce()],
        watch_gradients=True,
        progress="none",
    )
    result.write(json.dumps(fingerprints(model, optimizer, history), indent=1))


def fingerprints(model, optimizer, history):
    """Return everything that must not differ by a bit: tensors as hashes, the rest as it is."""
    arrays = {}
    state = pack(vars(capture(model, optimizer)), "state", arrays)
    hashes = {
        name: hashlib.sha256(np.ascontiguousarray(array.bits).tobytes()).hexdigest()
        for name, array in arrays.items()
    }
    record = history.to_dict()
    del record["seconds"]
    return {"tensors": hashes, "state": state, "history": record}


if __name__ == "__main__":
    with open(sys.argv[2], "w") as file:
        main(sys.argv[1], file)
