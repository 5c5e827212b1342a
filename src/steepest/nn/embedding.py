"""Tables of vectors that are looked up by number."""

from __future__ import annotations

from typing import Any, Self

import steepest as st
from steepest.array.tensor import Tensor
from steepest.errors import ArgumentError, ShapeError
from steepest.nn import functional, init
from steepest.nn.checks import as_tensor, check_positive_int
from steepest.nn.module import Module


class Embedding(Module):
    """Looks up vectors by number, for words and categories.

    Shapes: indices (...), output (..., embedding_dim), `weight` (num_embeddings, embedding_dim).

    The first numbers are normal with mean 0 and variance 1; the padding row is 0.

    Args:
        num_embeddings: how many vectors; indices run from 0 to `num_embeddings - 1`.
        embedding_dim: the size of each vector.
        padding_idx: the row for padding, which stays as it is in training.
        max_norm: not supported; constrain the weight after the optimizer step instead.
        dtype: the data type of the table; float32 if `None`.

    Raises:
        DTypeError: indices that are not integers.
        ArgumentError: an index outside the table (checked where numbers exist: eagerly).
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        *,
        dtype: Any = None,
    ):
        super().__init__()
        self.num_embeddings = check_positive_int(num_embeddings, "Embedding", "num_embeddings")
        self.embedding_dim = check_positive_int(embedding_dim, "Embedding", "embedding_dim")
        if max_norm is not None:
            raise ArgumentError(
                "Embedding: max_norm is not supported, because a lookup would change the weight. "
                "After optimizer.step() use weight.assign(...) to shorten its rows."
            )
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ArgumentError(
                f"Embedding: padding_idx {padding_idx} is outside the table of "
                f"{num_embeddings} rows."
            )
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = init.empty_parameter((self.num_embeddings, self.embedding_dim), dtype)
        self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None
    ) -> Self:
        """Make a table of given vectors.

        Args:
            embeddings: (num_embeddings, embedding_dim).
            freeze: whether training leaves them as they are.
            padding_idx: the row for padding.

        Raises:
            ShapeError: `embeddings` does not have two axes.
        """
        table = as_tensor(embeddings)
        if table.ndim != 2:
            raise ShapeError(
                f"Embedding.from_pretrained: embeddings {table.shape} must be "
                f"(num_embeddings, embedding_dim)."
            )
        rows, width = table.shape
        made = cls(rows, width, padding_idx, dtype=table.dtype)
        made.weight.assign(table.detach())
        made.weight.requires_grad = not freeze
        return made

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            rows = st.arange(self.num_embeddings)
            is_padding = st.expand_dims(rows == self.padding_idx, axis=-1)
            self.weight.assign(st.where(is_padding, 0.0, self.weight.detach()))

    def forward(self, input: Tensor) -> Tensor:
        return functional.embedding(input, self.weight, self.padding_idx, name=self.label)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
