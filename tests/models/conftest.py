"""Models that many tests look at but none changes."""

from __future__ import annotations

import pytest
from table_samples import TABLES, Trained, quick_fit


@pytest.fixture(scope="session", params=TABLES)
def trained(request: pytest.FixtureRequest) -> Trained:
    """A model of each task."""
    frame = TABLES[request.param]()
    return Trained(request.param, frame, quick_fit(frame))
