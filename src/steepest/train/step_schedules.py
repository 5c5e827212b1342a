"""Learning-rate schedules that move by the step: together, back again, and ahead of many steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from steepest.array.tensor import Tensor
from steepest.train.callbacks import Callback, LearningRateSchedule

ScheduleState = list[dict[str, Any]]
"""Where each schedule is, then the hyperparameters of each parameter group."""


class StepSchedules:
    """The schedules of a training run that are stepped after every batch.

    Args:
        optimizer: whose hyperparameters they set.
        callbacks: of the run, in their order; those that are no such schedule are left out.
    """

    def __init__(self, optimizer: Any, callbacks: Iterable[Callback]) -> None:
        self._optimizer = optimizer
        self._schedules = [
            each
            for each in callbacks
            if isinstance(each, LearningRateSchedule) and each.per == "step"
        ]

    def step(self) -> None:
        """Move on by one step."""
        for each in self._schedules:
            each.schedule.step()

    def state(self) -> ScheduleState:
        """Where they are, and what they set; `restore` goes back there."""
        places = [each.state_dict() for each in self._schedules]
        return places + [group.plain_options() for group in self._groups]

    def restore(self, state: ScheduleState) -> None:
        """Go back to where `state` was called."""
        for owner, values in zip([*self._schedules, *self._groups], state, strict=True):
            if isinstance(owner, LearningRateSchedule):
                owner.load_state_dict(values)
            else:
                owner.update(values)

    def ahead(self, count: int) -> dict[Tensor, npt.NDArray[np.float64]] | None:
        """Move on by many steps; what each hyperparameter is at each of them.

        None, and nothing has moved, where that cannot be told beforehand: a schedule fails, or
        changes more than such numbers, as by switching on weight decay.
        """
        before = self.state()
        kinds = [group.static_options() for group in self._groups]
        tensors = [tensor for group in self._groups for tensor in group.scheduled_options()]
        numbers = np.empty((len(tensors), count))
        try:
            for step in range(count if self._schedules else 0):
                numbers[:, step] = [tensor.item() for tensor in tensors]
                self.step()
        except Exception:
            # Stepped one by one, it fails again, at its own step.
            self.restore(before)
            return None
        if kinds != [group.static_options() for group in self._groups]:
            self.restore(before)
            return None
        return dict(zip(tensors, numbers, strict=True))

    @property
    def _groups(self) -> list[Any]:
        """The parameter groups, where there are schedules for them."""
        return list(self._optimizer.param_groups) if self._schedules else []
