"""Folders and tables of image files -> a collection of paths with labels; nothing is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steepest.data.images.collection import UNASSIGNED, ImageCollection, unassigned
from steepest.data.images.decode import SUFFIXES
from steepest.data.notes import count, list_names, note
from steepest.errors import ArgumentError, DataError, did_you_mean, require

PART_FOLDERS = {
    **dict.fromkeys(("train", "training"), 0),
    **dict.fromkeys(("val", "valid", "validation", "dev"), 1),
    **dict.fromkeys(("test", "testing"), 2),
}
"""Names of folders, in lower case, that hold a part of the data and not a class."""

TABLE_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".arrow", ".feather")

MOSTLY = 0.9
"""Share of a column's values that must look like image files for a table to be one of images."""


def is_image_name(name: str) -> bool:
    """Whether a file is taken for an image, by its ending."""
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def is_table_name(name: str) -> bool:
    """Whether a file is taken for a table, by its ending."""
    return name.lower().endswith(TABLE_SUFFIXES)


def from_folder(folder: Path) -> ImageCollection:
    """A folder for each class, or `train`, `validation` and `test` with a folder for each class.

    A class's folder may hold further folders; their images are of that class too. Hidden files and
    files that are no images by their ending are left alone.

    Raises:
        DataError: there are no classes, or no images.
    """
    folders = _subfolders(folder)
    parts = {each: PART_FOLDERS[each.name.lower()] for each in folders if _is_part(each)}
    if 0 in parts.values():
        others = [each.name for each in folders if each not in parts]
        if others:
            note(
                f"{folder.name} holds {list_names(each.name for each in parts)}; left out the "
                f"folder{'s' if len(others) > 1 else ''} beside: {list_names(others)}."
            )
        classes = [(inner, part) for outer, part in parts.items() for inner in _subfolders(outer)]
    else:
        classes = [(each, UNASSIGNED) for each in folders]
    paths: list[Path] = []
    labels: list[str] = []
    numbers: list[int] = []
    for class_folder, part in classes:
        for path in sorted(_image_files(class_folder)):
            paths.append(path)
            labels.append(class_folder.name)
            numbers.append(part)
    if not paths:
        raise DataError(_nothing_found(folder))
    _note_left_alone(folder, len(paths))
    names = [path.relative_to(folder).as_posix() for path in paths]
    return ImageCollection(
        folder.name, names, tuple(labels), np.array(numbers, np.int64), tuple(paths)
    )


def from_paths(paths: list[Path], source: str, root: Path | None = None) -> ImageCollection:
    """Files without labels, in the order given, as `predict` takes them."""
    names = [path.relative_to(root).as_posix() if root is not None else str(path) for path in paths]
    return ImageCollection(source, names, None, unassigned(len(paths)), tuple(paths))


def from_table(table: Path, label: str | None, image: str | None = None) -> ImageCollection:
    """A table of paths and labels.

    Args:
        table: a file; paths in it are relative to its folder, or absolute.
        label: the column of labels; None where there is exactly one column beside the paths.
        image: the column of paths; None finds it.

    Raises:
        DataError: there is no column of paths.
        ArgumentError: a column that the table has not.
    """
    read_table = require("steepest.data.tables", extra="tables").read_table
    frame = read_table(table)
    columns = {name: [_text(each) for each in frame[name].to_list()] for name in frame.columns}
    chosen = image or find_image_column(frame)
    if chosen is None:
        raise DataError(
            f"{table.name}: no column holds the names of image files (such as photo.jpg)."
        )
    label = label or _only_other(list(columns), chosen, table.name)
    for role, name in (("image", chosen), ("label", label)):
        if name not in columns:
            raise ArgumentError(
                f"{table.name} has no column {name!r} for the {role}.{did_you_mean(name, columns)}"
            )
    pairs = list(zip(columns[chosen], columns[label], strict=True))
    kept = [(path, text) for path, text in pairs if path is not None and text is not None]
    if len(kept) < len(pairs):
        note(f"Left out {count(len(pairs) - len(kept), 'row')} without an image or a label.")
    parts = np.full(len(kept), UNASSIGNED, np.int64)
    paths = tuple(table.parent / path for path, _ in kept)
    return ImageCollection(
        table.name,
        [path for path, _ in kept],
        tuple(text.strip() for _, text in kept),
        parts,
        paths,
        target=label,
    )


def from_table_of_paths(table: Path) -> ImageCollection:
    """A table of paths whose other columns do not matter; every row needs an image.

    Raises:
        DataError: there is no column of paths, or a row without one.
    """
    frame = require("steepest.data.tables", extra="tables").read_table(table)
    column = find_image_column(frame)
    if column is None:
        raise DataError(
            f"{table.name}: no column holds the names of image files (such as photo.jpg)."
        )
    texts = frame[column].to_list()
    if any(text is None for text in texts):
        row = texts.index(None) + 1
        raise DataError(f"{table.name}: row {row} has no image in column {column!r}.")
    found = from_paths([table.parent / text for text in texts], table.name)
    return replace(found, names=texts)


def find_image_column(frame: Any) -> str | None:
    """The first column of a polars table whose values are names of image files; None if none."""
    for name in frame.columns:
        values = [each for each in frame[name].head(200).to_list() if each is not None]
        if not values or not all(isinstance(each, str) for each in values):
            continue
        if sum(is_image_name(Path(each).name) for each in values) >= MOSTLY * len(values):
            return str(name)
    return None


def table_in(folder: Path) -> Path | None:
    """The only table in a folder, beside images, if there is exactly one."""
    tables = [
        each
        for each in sorted(folder.iterdir())
        if each.is_file() and each.name.lower().endswith(TABLE_SUFFIXES)
    ]
    return tables[0] if len(tables) == 1 else None


def holds_images(folder: Path) -> bool:
    """Whether there is an image file in a folder, or in a folder in it."""
    return next(_image_files(folder), None) is not None


def files_to_predict(source: Path) -> ImageCollection:
    """One image file, or all image files in a folder and the folders in it.

    Raises:
        DataError: there is no such file, or the folder holds no images.
    """
    if source.is_dir():
        found = sorted(_image_files(source))
        if not found:
            raise DataError(f"{source} holds no image files.")
        return from_paths(found, source.name, source)
    if not source.exists():
        raise DataError(f"{source}: there is no such file or folder.")
    return from_paths([source], source.name)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _is_part(folder: Path) -> bool:
    """Whether a folder is a part: by its name, and because it holds folders and not images."""
    return folder.name.lower() in PART_FOLDERS and bool(_subfolders(folder))


def _subfolders(folder: Path) -> list[Path]:
    return sorted(
        each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")
    )


def _image_files(folder: Path) -> Iterator[Path]:
    for inner, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in names:
            if is_image_name(name):
                yield Path(inner, name)


def _note_left_alone(folder: Path, images: int) -> None:
    """Say how many files were left alone, if any."""
    others = [
        name
        for _, _, names in os.walk(folder)
        for name in names
        if not name.startswith(".") and not is_image_name(name) and name != "Thumbs.db"
    ]
    if others:
        verb = "is no image" if len(others) == 1 else "are no images"
        note(
            f"Left alone {count(len(others), 'file')} beside the {count(images, 'image')}, which "
            f"by the name {verb}: {list_names(sorted(others), 3)}."
        )


def _nothing_found(folder: Path) -> str:
    loose = sum(is_image_name(each.name) for each in folder.iterdir())
    if loose:
        return (
            f"{folder} holds {count(loose, 'image')} but no folders of images. Put the images of "
            f"each class into a folder of its name (cats/1.jpg, dogs/2.jpg), or give a table of "
            f"file names and labels."
        )
    return (
        f"{folder} holds no folders with images. Expected is a folder for each class, such as "
        f"{folder.name}/cats/1.jpg and {folder.name}/dogs/2.jpg."
    )


def _only_other(columns: list[str], image: str, table: str) -> str:
    others = [each for each in columns if each != image]
    if len(others) != 1:
        raise ArgumentError(
            f"{table}: which column holds the labels? Beside the images in {image!r} there "
            f"are {list_names(others) or 'no others'}."
        )
    return others[0]
