"""The parent's side of a worker process."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.libraries.session import Library

ROOT = Path(__file__).parent.parent
LINES_SHOWN = 8


class WorkerError(RuntimeError):
    """A library could not do what it was asked; the message says what it said."""


class Remote:
    """A worker process; `call` runs a method of `benchmarks.worker.Worker` in it.

    Args:
        cache: a folder in which the library may keep compiled code.
    """

    def __init__(self, library: Library, threads: int, cache: Path):
        self.library = library
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        environment = {**os.environ, **library.environment(threads, cache)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", library.name, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            cwd=ROOT,
        )

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method and wait for what it returns.

        Raises:
            WorkerError: it raised, or its process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump((method, arguments), self._process.stdin)
            self._process.stdin.flush()
            is_error, reply = pickle.load(self._process.stdout)
        except (BrokenPipeError, EOFError):
            code = self._process.wait()
            raise WorkerError(
                f"its process ended with exit code {code}. It said: {self._last_lines()}"
            ) from None
        if is_error:
            raise WorkerError(reply)
        return reply

    def start(self) -> None:
        """Wait until the library is imported."""
        self.call("")

    def _last_lines(self) -> str:
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace").strip()
        return "\n".join(text.splitlines()[-LINES_SHOWN:])

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
