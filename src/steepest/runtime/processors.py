"""How many processors this process may use: by its affinity and by the quota of its container."""

from __future__ import annotations

import math
import os
from pathlib import Path


def available_processors() -> int:
    """At least one; a quota of one and a half counts as two."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = quota_of_group()
    return max(1, count if quota is None else min(count, math.ceil(quota)))


def quota_of_group(root: Path = Path("/")) -> float | None:
    """The processors that Linux lets this process's control groups use; `None` for no limit.

    Args:
        root: where the file system begins; tests put their own there.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        mount = root / "sys/fs/cgroup"
        if controllers:
            if "cpu" not in controllers.split(","):
                continue
            mount = mount / controllers
        # A limit on any group above holds too; in a container, the path may not be visible.
        below = [part for part in path.split("/") if part]
        for depth in range(len(below), -1, -1):
            quotas.append(_quota_at(mount.joinpath(*below[:depth])))
    return min((each for each in quotas if each is not None), default=None)


def _quota_at(folder: Path) -> float | None:
    """The quota that one group sets, of version 2 (`cpu.max`) or 1 of Linux's control groups."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        if quota == "max" or int(quota) <= 0 or int(period) <= 0:
            return None
        return int(quota) / int(period)
    except (OSError, ValueError):
        return None
