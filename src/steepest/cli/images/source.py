"""Whether what was given on the command line is images or a table."""

from __future__ import annotations

from pathlib import Path

from steepest.data.images.arrays import IDX_NAME, idx_pairs
from steepest.data.images.files import (
    TABLE_SUFFIXES,
    find_image_column,
    holds_images,
    is_image_name,
    table_in,
)
from steepest.errors import SteepestError
from steepest.models.files import kind_of
from steepest.models.images.model import FORMAT


def is_image_source(data: Path) -> bool:
    """Whether to train on images: a folder with images or class folders, an IDX or NPZ file, or a
    table with a column of names of image files."""
    if data.is_dir():
        has_folders = any(each.is_dir() for each in data.iterdir())
        is_table_folder = table_in(data) is not None and not holds_images(data)
        return bool(idx_pairs(data)) or holds_images(data) or (has_folders and not is_table_folder)
    name = data.name.lower()
    if name.endswith(".npz") or IDX_NAME.fullmatch(data.name):
        return True
    return name.endswith(TABLE_SUFFIXES) and data.is_file() and _names_images(data)


def is_image_model(folder: Path) -> bool:
    """Whether a folder holds a model for images."""
    return kind_of(folder) == FORMAT.kind


def looks_like_images(data: Path) -> bool:
    """Whether `predict` or `evaluate` was given images, for a hint when the model is for tables."""
    return is_image_name(data.name) or (data.is_dir() and holds_images(data))


def _names_images(table: Path) -> bool:
    """Whether a table has a column of names of image files; errors are left to who reads it."""
    if not _may_name_images(table):
        return False
    from steepest.data.tables import collected_notes, read_table

    try:
        with collected_notes():
            return find_image_column(read_table(table)) is not None
    except SteepestError:
        return False


def _may_name_images(table: Path) -> bool:
    """A quick look, so that large tables of numbers are not read twice."""
    if table.name.lower().endswith((".csv", ".tsv")):
        with open(table, "rb") as file:
            head = file.read(1 << 16).lower()
        return any(
            ending in head for ending in (b".jp", b".png", b".tif", b".bmp", b".gif", b".web")
        )
    return True
