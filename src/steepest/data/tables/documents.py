"""The documents of `steepest.data.documents`, under the name by which tables know them."""

from steepest.data.documents import (
    as_number,
    as_strings,
    check_keys,
    new_document,
    open_document,
)

__all__ = ["as_number", "as_strings", "check_keys", "new_document", "open_document"]
