"""Images -> arrays that a network can learn from. Files need Pillow (the extra `images`).

    find_images -> decode_files -> split_images -> Augmentation

`prepare_images` does all but the last. Nothing is decided silently: see `PreparedImages.notes`.
"""

from steepest.data.images.augment import Augmentation
from steepest.data.images.collection import ImageCollection
from steepest.data.images.prepare import PreparedImages, find_images, prepare_images

__all__ = ["Augmentation", "ImageCollection", "PreparedImages", "find_images", "prepare_images"]
