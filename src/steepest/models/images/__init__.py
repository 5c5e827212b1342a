"""Images in, classes out: the network, its recipe, and all that was learned."""

from steepest.models.images.model import ImageModel
from steepest.models.images.recipe import ImageRecipe

__all__ = ["ImageModel", "ImageRecipe"]
