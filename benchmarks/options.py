"""Options of the commands that say how large a network is and how it is trained."""

from __future__ import annotations

import argparse
import re
from typing import Any

from benchmarks.workloads.layers import ACTIVATIONS
from benchmarks.workloads.workload import OPTIMIZERS


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add a group of options; `network_settings` reads them."""
    network = parser.add_argument_group("the network")
    network.add_argument("--layers", type=widths, help="for example 784,256,10 or 784,20x256,10")
    network.add_argument("--batch", type=int, help="rows per step")
    network.add_argument("--activation", choices=ACTIVATIONS)
    network.add_argument("--dropout", type=float, help="after each hidden activation")
    network.add_argument("--image", type=int, help="height and width")
    network.add_argument(
        "--channels", type=widths, help="of image and convolutions or stages: 1,32,32,64"
    )
    network.add_argument("--pools", type=widths, help="after each convolution; 1 for none: 1,2,2")
    network.add_argument("--kernel", type=int, help="height and width of convolutions")
    network.add_argument("--paddings", type=sizes, help="of each convolution: 1,1,1")
    network.add_argument("--blocks", type=sizes, help="of each stage: 3,3,3")
    network.add_argument("--scale", type=float, help="of all channels: 1.0")
    network.add_argument("--classes", type=int, help="that the network tells apart")
    network.add_argument("--columns", type=int, help="of categories")
    network.add_argument("--values", type=int, help="of each column of categories")
    network.add_argument("--width", type=int, help="of each embedding")
    network.add_argument("--numbers", type=int, help="columns of numbers")
    network.add_argument("--optimizer", choices=OPTIMIZERS)
    network.add_argument("--learning-rate", type=float)
    network.add_argument("--momentum", type=float, help="of sgd")
    network.add_argument("--clip-norm", type=float, help="largest common norm of all gradients")


NETWORK_OPTIONS = (
    "layers",
    "batch",
    "activation",
    "dropout",
    "image",
    "channels",
    "pools",
    "kernel",
    "paddings",
    "blocks",
    "scale",
    "classes",
    "columns",
    "values",
    "width",
    "numbers",
    "optimizer",
    "learning_rate",
    "momentum",
    "clip_norm",
)


def network_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The options of a network that were given."""
    given = {name: getattr(options, name) for name in NETWORK_OPTIONS}
    return {name: value for name, value in given.items() if value is not None}


def sizes(text: str) -> tuple[int, ...]:
    """Read `1,0,1`: whole numbers with commas between."""
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers: write 1,0,1")
    return tuple(map(int, text.split(",")))


def widths(text: str) -> tuple[int, ...]:
    """Read `784,20x256,10`: widths with commas between, `20x256` for twenty of them."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(?:(\d+)x)?([1-9]\d*)", part)
        if match is None:
            raise argparse.ArgumentTypeError(
                f"{part!r} is no width: write 256, or 20x256 for twenty of them"
            )
        found += [int(match[2])] * int(match[1] or 1)
    if len(found) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is one width: write two or more")
    return tuple(found)
