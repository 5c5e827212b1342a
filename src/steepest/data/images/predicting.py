"""What `predict` takes: files, folders, tables and arrays, with or without labels."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from steepest.data.images import arrays, files
from steepest.data.images.collection import ImageCollection
from steepest.data.images.prepare import find_images
from steepest.errors import DataError


def find_images_to_predict(source: Any) -> ImageCollection:
    """The images of a source; labels are not needed, and left out.

    Args:
        source: an image file; a folder of image files, also in folders in it; a table of file
            names; a folder of IDX files, an IDX or an NPZ file; a list of files; an array of images
            or one image.

    Raises:
        DataError: there are none.
    """
    if isinstance(source, list | tuple) and source and isinstance(source[0], str | os.PathLike):
        return files.from_paths([Path(each).expanduser() for each in source], "the list")
    if not isinstance(source, str | os.PathLike):
        array = np.asarray(source)
        if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)):
            array = array[None]
        return arrays.from_arrays(array, None)
    path = Path(source).expanduser()
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder.")
    if path.is_dir():
        is_idx = bool(arrays.idx_pairs(path))
        found = find_images(path) if is_idx else files.files_to_predict(path)
    elif arrays.IDX_NAME.fullmatch(path.name):
        found = arrays.from_arrays(arrays.read_idx(path), None, path.name)
    elif path.suffix.lower() == ".npz":
        found = find_images(path)
    elif path.name.lower().endswith(files.TABLE_SUFFIXES):
        found = files.from_table_of_paths(path)
    else:
        found = files.files_to_predict(path)
    return dataclasses.replace(found, labels=None)
