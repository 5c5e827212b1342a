"""JAX: the whole step under one `jit`, whose state is donated, so that updates are in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.libraries.jax_network import Walk, arranged, channels_last, initial_statistics
from benchmarks.libraries.session import Library, Session, Task
from benchmarks.workloads.workload import Optimizer

CLIP_GUARD = 1e-6


class Jax(Library):
    """JAX on CPU. It takes as many threads as its process may use processors."""

    name = "jax"
    package = "jax"

    def environment(self, threads: int, cache: Path) -> dict[str, str]:
        del threads
        return {
            "JAX_PLATFORMS": "cpu",
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }

    def prepare(self, threads: int) -> None:
        del threads
        import jax  # noqa: F401

    def training(self, task: Task) -> Session:
        return Training(task)

    def prediction(self, task: Task) -> Session:
        return Prediction(task)

    def contraction(self, left: np.ndarray, right: np.ndarray, form: str, chain: int) -> Session:
        return Contraction(left, right, form, chain)


class JaxLoop(Jax):
    """JAX on CPU, with many steps in one call."""

    name = "jax-loop"

    def training(self, task: Task) -> Session:
        return LoopTraining(task)


class JaxSession(Session):
    """What all sessions share."""

    def numbers(self, result: Any) -> np.ndarray:
        found = np.asarray(result)
        return found.transpose(0, 3, 1, 2) if found.ndim == 4 else found


class Training(JaxSession):
    """The training step under `jit`."""

    def __init__(self, task: Task):
        import jax
        import jax.numpy as jnp

        workload = task.workload
        layers, settings = workload.layers, workload.optimizer
        parameters = [jnp.asarray(each) for each in arranged(task)]

        def objective(
            parameters: list[Any], statistics: list[Any], inputs: Any, target: Any, key: Any
        ) -> tuple[Any, list[Any]]:
            walk = Walk(parameters, statistics, key, training=True)
            output = walk.network(layers, inputs)
            return loss_of(workload.loss, output, target), walk.new_statistics

        def step(state: dict[str, Any], inputs: Any, target: Any) -> tuple[dict[str, Any], Any]:
            key, used = jax.random.split(state["key"])
            (loss, statistics), grads = jax.value_and_grad(objective, has_aux=True)(
                state["parameters"], state["statistics"], inputs, target, used
            )
            return {
                **updated(settings, state, grads),
                "statistics": statistics,
                "key": key,
            }, loss

        self._step = jax.jit(step, donate_argnums=0)
        self._state: dict[str, Any] = {
            "parameters": parameters,
            "moments": [
                [jnp.zeros_like(each) for each in parameters] for _ in range(settings.moments)
            ],
            "count": jnp.zeros((), jnp.int32),
            "statistics": initial_statistics(layers),
            "key": jax.random.key(0),
        }
        self._batches = make_arrays(task)
        self._done = 0

    def step(self) -> Any:
        inputs, target = self._batches[self._done % len(self._batches)]
        self._done += 1
        self._state, loss = self._step(self._state, inputs, target)
        return loss

    def run(self, steps: int) -> None:
        import jax

        super().run(steps)
        jax.block_until_ready(self._state)


class LoopTraining(Training):
    """The same step in a `fori_loop` over the batches, many steps a call."""

    def __init__(self, task: Task):
        import jax
        import jax.numpy as jnp

        super().__init__(task)
        step = self._step
        columns = zip(*(inputs for inputs, _ in self._batches), strict=True)
        self._inputs = tuple(jnp.stack(column) for column in columns)
        self._target = jnp.stack([target for _, target in self._batches])
        count = len(self._batches)

        def many(
            state: dict[str, Any], inputs: Any, target: Any, start: Any, steps: Any
        ) -> dict[str, Any]:
            def body(n: Any, state: dict[str, Any]) -> dict[str, Any]:
                batch = (start + n) % count
                return step(state, tuple(each[batch] for each in inputs), target[batch])[0]

            return jax.lax.fori_loop(0, steps, body, state)

        self._many = jax.jit(many, donate_argnums=0)

    def run(self, steps: int) -> None:
        import jax

        self._state = self._many(self._state, self._inputs, self._target, self._done, steps)
        self._done += steps
        jax.block_until_ready(self._state)


class Prediction(JaxSession):
    """The forward pass under `jit`."""

    def __init__(self, task: Task):
        import jax
        import jax.numpy as jnp

        layers = task.workload.layers

        def predict(parameters: list[Any], statistics: list[Any], inputs: Any) -> Any:
            return Walk(parameters, statistics, None, training=False).network(layers, inputs)

        self._predict = jax.jit(predict)
        self._parameters = [jnp.asarray(each) for each in arranged(task)]
        self._statistics = initial_statistics(layers)
        self._batches = make_arrays(task)
        self._done = 0

    def step(self) -> Any:
        inputs, _ = self._batches[self._done % len(self._batches)]
        self._done += 1
        return self._predict(self._parameters, self._statistics, inputs)


class Contraction(JaxSession):
    """A chain of contractions under `jit`."""

    def __init__(self, left: np.ndarray, right: np.ndarray, form: str, chain: int):
        import jax
        import jax.numpy as jnp

        def contract(left: Any, right: Any) -> Any:
            for _ in range(chain):
                left = (left.T if form[0] == "t" else left) @ (right.T if form[1] == "t" else right)
            return left

        self._contract = jax.jit(contract)
        self._left, self._right = jnp.asarray(left), jnp.asarray(right)

    def step(self) -> Any:
        return self._contract(self._left, self._right)


def loss_of(name: str, output: Any, target: Any) -> Any:
    """The mean loss."""
    import jax
    import jax.numpy as jnp

    if name == "cross_entropy":
        chosen = jnp.take_along_axis(jax.nn.log_softmax(output), target[:, None], axis=1)
        return -jnp.mean(chosen)
    if name == "binary_cross_entropy":
        return jnp.mean(jax.nn.softplus(output) - output * target)
    return jnp.mean(jnp.square(output - target))


def updated(settings: Optimizer, state: dict[str, Any], grads: list[Any]) -> dict[str, Any]:
    """Parameters, moments and count after one update."""
    import jax.numpy as jnp

    if settings.clip_norm is not None:
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(each)) for each in grads))
        scale = jnp.minimum(1.0, settings.clip_norm / (norm + CLIP_GUARD))
        grads = [each * scale for each in grads]
    count = state["count"] + 1
    old, moments, rate = state["parameters"], state["moments"], settings.learning_rate
    if settings.name == "adam":
        first = [0.9 * m + 0.1 * g for m, g in zip(moments[0], grads, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(moments[1], grads, strict=True)]
        moments = [first, second]
        size = rate / (1 - 0.9**count)
        root = jnp.sqrt(1 - 0.999**count)
        new = [
            p - size * m / (jnp.sqrt(v) / root + 1e-8)
            for p, m, v in zip(old, first, second, strict=True)
        ]
    else:
        if moments:
            kept = zip(moments[0], grads, strict=True)
            moments = [[settings.momentum * m + g for m, g in kept]]
        steps = moments[0] if moments else grads
        new = [p - rate * s for p, s in zip(old, steps, strict=True)]
    return {"parameters": new, "moments": moments, "count": count}


def make_arrays(task: Task) -> list[tuple[tuple[Any, ...], Any]]:
    """The batches as arrays; whole numbers become int32, JAX's default."""
    import jax.numpy as jnp

    def array(numbers: np.ndarray) -> Any:
        return jnp.asarray(channels_last(numbers))

    return [
        (tuple(array(each) for each in batch.inputs), array(batch.target)) for batch in task.batches
    ]
