"""`ImageModel`: images in, classes out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steepest.data.images import Augmentation, PreparedImages, prepare_images
from steepest.data.images.collection import PARTS, ImageCollection
from steepest.data.images.files import is_table_name
from steepest.data.images.predicting import find_images_to_predict
from steepest.data.images.prepare import decoded_images, find_images, note_decoding
from steepest.data.notes import count, list_names, note
from steepest.errors import ArgumentError, CheckpointError, DataError
from steepest.graph.dtypes import float32
from steepest.models.files import DOCUMENT, ModelFormat, read_model, write_model
from steepest.models.images import training
from steepest.models.images.feeder import channels_first
from steepest.models.images.network import NormalizedInput, build_network, choose_network
from steepest.models.images.recipe import ImageRecipe
from steepest.nn.summary import Summary
from steepest.train.checkpoint import Checkpoint
from steepest.train.history import History
from steepest.train.metrics import compute
from steepest.train.source import Batch
from steepest.train.step import EvaluationStep

FORMAT = ModelFormat(
    "image_model",
    1,
    (
        *("target", "classes", "size", "channels", "network", "recipe", "augmentation"),
        *("history", "settings"),
    ),
    "ImageModel",
)

METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "log_loss")
"""What `evaluate` measures."""

BATCH = 128
"""Images that are predicted at once."""

FILES_AT_ONCE = 2048
"""Files that are decoded before they are predicted."""

WORTH_COMPILING = 512
"""For fewer images, compiling takes longer than computing them without."""


class ImageModel:
    """A network that tells what is on an image.

        model = ImageModel.fit("flowers")           # a folder with a folder for each class
        model.predict("new-photos")
        model.save("flowers-model")

    Attributes:
        target: what the classes are of: the name of a table's column, or `"class"`.
        classes: the class names, in the order of the probabilities.
        size: height and width to which images are brought.
        channels: 1 for grey, 3 for colour.
        network: takes bytes `(n, channels, height, width)`, puts out logits.
        network_name: which of `network.NETWORKS` it is.
        recipe, augmentation: how it was trained.
        history: the figures of each epoch.
        settings: what was chosen, in plain words and numbers.
    """

    def __init__(
        self,
        classes: Sequence[str],
        size: tuple[int, int],
        channels: int,
        network: NormalizedInput,
        network_name: str,
        recipe: ImageRecipe,
        augmentation: Augmentation,
        target: str = "class",
    ):
        self.target = target
        self.classes = tuple(classes)
        self.size = size
        self.channels = channels
        self.network = network
        self.network_name = network_name
        self.recipe = recipe
        self.augmentation = augmentation
        self.history = History()
        self.settings: dict[str, Any] = {}

    @classmethod
    def fit(
        cls,
        source: Any,
        labels: Any = None,
        *,
        network: str | None = None,
        epochs: int | None = None,
        seed: int = 0,
        recipe: ImageRecipe | None = None,
        augmentation: Augmentation | None = None,
        progress: str = "auto",
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
        resume: bool = False,
        **preparation: Any,
    ) -> ImageModel:
        """Train on images.

        Args:
            source: what `prepare_images` takes, of which all images but the validation part are
                learned from; or a `PreparedImages`, whose test part is left alone.
            labels: for arrays and tables; not with `PreparedImages`.
            network: one of `network.NETWORKS`; chosen by size and number of the images.
            epochs: passes over the images; default by their number.
            seed: of split, first weights, shuffling and augmentation.
            recipe: other settings of the training.
            augmentation: what is done to training images; default by their size and kind.
            progress: `"auto"`, `"bar"`, `"lines"` or `"none"`.
            checkpoint: a folder to save to after every epoch, or a `Checkpoint`.
            resume: go on from the newest checkpoint there.
            preparation: options of `prepare_images`.

        Raises:
            DataError: images that cannot be learned from; the message says what to do.
        """
        prepared = _prepared(source, labels, seed, preparation)
        chosen = recipe or ImageRecipe()
        if epochs is not None:
            chosen = dataclasses.replace(chosen, epochs=epochs)
        changed = augmentation
        if changed is None:
            changed = Augmentation.for_images(prepared.size, prepared.channels)
        name = network or choose_network(prepared.size, prepared.channels, len(prepared.train))
        result = training.train_images(
            prepared,
            name,
            changed,
            chosen,
            seed,
            progress=progress,
            checkpoint=checkpoint,
            resume=resume,
        )
        model = cls(
            prepared.classes,
            prepared.size,
            prepared.channels,
            result.network,
            name,
            chosen,
            changed,
            prepared.target,
        )
        model.history = result.history
        model.settings = result.settings
        return model

    def predict(self, source: Any) -> np.ndarray:
        """Tell the class of every image.

        Args:
            source: a file, a folder, a list of files, a table of file names, IDX or NPZ files, an
                array `(n, height, width[, channels])`, or one image `(height, width, 3)`.

        Returns:
            `(n,)` class names; None for files that cannot be used, which are told of as
            `DataWarning`s. Files of a folder are in the order of their names.
        """
        probabilities = self.predict_probabilities(source)
        labels = np.array([*self.classes, None], object)
        unusable = np.isnan(probabilities[:, 0])
        places = np.where(unusable, len(self.classes), probabilities.argmax(axis=1))
        return labels[places]

    def predict_probabilities(self, source: Any) -> npt.NDArray[np.float64]:
        """`(n, classes)` the probability of each class; NaN for files that cannot be used."""
        return self.answers(find_images_to_predict(source))[0]

    def answers(
        self, collection: ImageCollection
    ) -> tuple[npt.NDArray[np.float64], dict[int, str]]:
        """Probabilities for every image of a collection, and what is wrong with those that have
        none: `(n, classes)`, and messages by place."""
        result = np.full((len(collection), len(self.classes)), np.nan)
        messages: dict[int, str] = {}
        compiled = len(collection) >= WORTH_COMPILING
        step = EvaluationStep(self.network, None, compiled=compiled, back_end=training.BACK_END)
        self.network.eval()
        for start, part in _stretches(collection):
            decoded = decoded_images(part, self.size, self.channels, max(self.size), None)
            note_decoding(decoded, part)
            result[start + decoded.kept] = self._probabilities(decoded.pixels, step)
            messages |= {start + place: message for place, _, message in decoded.refused}
        return result, messages

    def probabilities(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """`(n, classes)` for images that have the network's size already, channels last."""
        compiled = len(pixels) >= WORTH_COMPILING
        step = EvaluationStep(self.network, None, compiled=compiled, back_end=training.BACK_END)
        self.network.eval()
        return self._probabilities(pixels, step)

    def _probabilities(
        self, pixels: npt.NDArray[np.uint8], step: EvaluationStep
    ) -> npt.NDArray[np.float64]:
        parts = [np.empty((0, len(self.classes)))]
        for start in range(0, len(pixels), BATCH):
            block = channels_first(np.asarray(pixels[start : start + BATCH]))
            wanted = len(block)
            if wanted < BATCH < len(pixels):
                # Batches of one size share one program.
                block = np.concatenate([block, np.repeat(block[-1:], BATCH - wanted, axis=0)])
            _, logits = step(Batch((block,), {}, None, None, len(block), float32))
            parts.append(softmax(logits[:wanted]))
        return np.concatenate(parts)

    def evaluate(self, source: Any, labels: Any = None) -> dict[str, float]:
        """Measure the predictions on labelled images.

        Args:
            source, labels: as for `fit`. Where the source has a test part, that part is measured.
                The labels of a table are in the column that was learned, if none is named.

        Raises:
            DataError: labels that the network has not learned.
        """
        collection = self.labelled(source, labels)
        probabilities, _ = self.answers(collection)
        codes = self.codes(collection.labels)
        usable = ~np.isnan(probabilities[:, 0])
        if not usable.any():
            raise DataError(f"{collection.source}: none of the images can be used.")
        return image_metrics(codes[usable], probabilities[usable])

    def labelled(self, source: Any, labels: Any = None) -> ImageCollection:
        """The images that `evaluate` measures."""
        is_path = isinstance(source, str | os.PathLike)
        if labels is None and is_path and is_table_name(os.fspath(source)):
            labels = None if self.target == "class" else self.target
        return measured_part(find_images(source, labels))

    def codes(self, labels: Sequence[str] | None) -> npt.NDArray[np.int64]:
        """Class numbers of labels.

        Raises:
            DataError: there are no labels, or unknown ones.
        """
        if labels is None:
            raise DataError("evaluate: the images have no labels to compare with.")
        places = {label: code for code, label in enumerate(self.classes)}
        unknown = sorted({label for label in labels if label not in places})
        if unknown:
            raise DataError(
                f"evaluate: {count(len(unknown), 'label')} that the network has not learned: "
                f"{list_names(unknown)}. It knows {list_names(self.classes)}."
            )
        return np.array([places[label] for label in labels], np.int64)

    def summary(self) -> Summary:
        """The layers of the network with shapes, parameters and multiply-adds, for one image."""
        return self.network.summary(np.zeros((1, self.channels, *self.size), np.uint8))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save to a folder, which is made if need be: `model.json` and a safetensors file.

        Raises:
            CheckpointError: the disk refused.
        """
        fields = {
            "target": self.target,
            "classes": list(self.classes),
            "size": list(self.size),
            "channels": self.channels,
            "network": self.network_name,
            "recipe": dataclasses.asdict(self.recipe),
            "augmentation": dataclasses.asdict(self.augmentation),
            "history": self.history.to_dict(),
            "settings": self.settings,
        }
        write_model(Path(path), FORMAT, fields, self.network.state_dict())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ImageModel:
        """Load what `save` wrote. No code in the files can run.

        Raises:
            CheckpointError: there is no model, or its files are damaged or do not fit together.
        """
        folder = Path(path)
        fields, weights = read_model(folder, FORMAT)
        try:
            height, width = (int(each) for each in fields["size"])
            channels, classes = int(fields["channels"]), tuple(map(str, fields["classes"]))
            plain = build_network(fields["network"], len(classes), channels, (height, width))
            unit = (1.0,) * channels
            model = cls(
                classes,
                (height, width),
                channels,
                NormalizedInput(plain, (0.0,) * channels, unit),
                fields["network"],
                ImageRecipe(**fields["recipe"]),
                Augmentation(**fields["augmentation"]),
                str(fields["target"]),
            )
            model.history = History.from_dict(fields["history"])
            model.settings = dict(fields["settings"])
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"{folder / DOCUMENT} is damaged: {error!r}.") from error
        model.network.load_state_dict(weights)
        model.network.eval()
        return model


def image_metrics(
    codes: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]
) -> dict[str, float]:
    """The metrics of class probabilities `(n, classes)` against class numbers `(n,)`."""
    return {name: compute(name, codes, probabilities) for name in METRICS}


def measured_part(collection: ImageCollection) -> ImageCollection:
    """The test part of a collection that has one; else all of it."""
    chosen = np.flatnonzero(collection.parts == PARTS.index("test"))
    if not len(chosen) or len(chosen) == len(collection):
        return collection
    note(f"{collection.source} has a test part, which is measured.")
    return taken(collection, chosen.tolist())


def taken(collection: ImageCollection, places: Sequence[int]) -> ImageCollection:
    """Some images of a collection."""
    labels, paths, pixels = collection.labels, collection.paths, collection.pixels
    return ImageCollection(
        collection.source,
        [collection.names[place] for place in places],
        None if labels is None else tuple(labels[place] for place in places),
        collection.parts[list(places)],
        None if paths is None else tuple(paths[place] for place in places),
        None if pixels is None else pixels[list(places)],
    )


def softmax(logits: npt.NDArray) -> npt.NDArray[np.float64]:
    """`(n, classes)` probabilities."""
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _stretches(collection: ImageCollection) -> Iterator[tuple[int, ImageCollection]]:
    """A collection in parts of bounded memory, each with the place where it begins."""
    if collection.paths is None:
        yield 0, collection
        return
    for start in range(0, len(collection), FILES_AT_ONCE):
        stop = min(start + FILES_AT_ONCE, len(collection))
        yield start, taken(collection, range(start, stop))


def _prepared(source: Any, labels: Any, seed: int, preparation: dict[str, Any]) -> PreparedImages:
    """The images decoded and split; those that are so already stay as they are."""
    if isinstance(source, PreparedImages):
        if labels is not None or preparation:
            raise ArgumentError(
                "ImageModel.fit: labels and options belong to prepare_images, whose result was "
                "given."
            )
        return source
    prepared = prepare_images(source, labels, **{"test": 0.0, "seed": seed, **preparation})
    for each in prepared.notes:
        note(each)
    return prepared
