"""The summary table: shapes, parameters, multiply-adds, bytes."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
from steepest import nn
from steepest.errors import ArgumentError
from steepest.nn.summary import format_bytes


def test_table_word_for_word():
    model = nn.Sequential(
        nn.Linear(784, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 10)
    )
    model[0].freeze()
    assert str(model.summary((32, 784))) == (
        "Layer              Output shape  Parameters  Multiply-adds    Bytes\n"
        "-------------------------------------------------------------------\n"
        "Sequential         (32, 10)               0              0        0\n"
        "  Linear '0'       (32, 256)        200,960      6,422,528  803,840\n"
        "  BatchNorm1d '1'  (32, 256)            512              0    4,104\n"
        "  ReLU '2'         (32, 256)              0              0        0\n"
        "  Dropout '3'      (32, 256)              0              0        0\n"
        "  Linear '4'       (32, 10)           2,570         81,920   10,280\n"
        "-------------------------------------------------------------------\n"
        "Input (32, 784)\n"
        "204,042 parameters (3,082 trained), 799.0 KiB\n"
        "6,504,448 multiply-adds and 129.2 KiB of layer outputs in one forward pass"
    )


def test_fields():
    summary = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)).summary((5, 4))
    assert (summary.parameters, summary.trainable, summary.bytes) == (23, 23, 92)
    assert summary.multiply_adds == 5 * 4 * 3 + 5 * 3 * 2
    assert summary.output_bytes == 4 * (15 + 10)
    assert summary.input_shapes == ((5, 4),)
    assert [layer.name for layer in summary.layers] == ["", "0", "1"]
    assert [layer.depth for layer in summary.layers] == [0, 1, 1]
    assert summary.layers[1].output_shapes == ((5, 3),)
    assert repr(summary) == str(summary)


class Shared(nn.Module):
    """One layer used twice, one used by hand, two outputs, an integer input."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 4)
        self.layer = nn.Linear(4, 4)
        self.twin = nn.Linear(4, 4, bias=False)
        self.twin.weight = self.layer.weight
        self.mix = nn.Parameter(st.ones((4, 4)))
        self.unused = nn.Linear(4, 1)

    def forward(self, words, extra):
        x = self.layer(self.layer(self.table(words))) + extra
        return self.twin(x), x @ self.mix


def test_shared_layers_several_inputs_and_outputs():
    summary = Shared().summary(np.zeros((3, 2), dtype="int64"), (3, 2, 4))
    layers = {layer.name: layer for layer in summary.layers}
    assert layers[""].output_shapes == ((3, 2, 4), (3, 2, 4))
    assert layers[""].multiply_adds == 6 * 16
    assert layers[""].parameters == 16
    assert layers["layer"].calls == 2
    assert layers["layer"].multiply_adds == 2 * 6 * 16
    assert layers["twin"].parameters == 0
    assert layers["twin"].multiply_adds == 6 * 16
    assert (layers["unused"].calls, layers["unused"].output_shapes) == (0, ())
    assert summary.parameters == sum(each.size for each in Shared().parameters())
    assert "(3, 2, 4) x2" in str(summary)


def test_nothing_is_computed_or_changed():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    before = int(st.random.default_generator.counter)
    model.summary((4, 3))
    assert int(model[0].num_batches_tracked) == 0
    assert int(st.random.default_generator.counter) == before
    assert not model[0]._forward_hooks
    assert model.training


def test_data_type_of_the_input_follows_the_parameters():
    summary = nn.Linear(3, 2, dtype="float64").summary((4, 3))
    assert summary.output_bytes == 4 * 2 * 8


def test_messages_and_units():
    with pytest.raises(ArgumentError) as error:
        nn.Linear(3, 2).summary()
    assert str(error.value) == (
        "summary: needs an example input or its shape, such as model.summary((32, 784))."
    )
    assert format_bytes(1023) == "1023 bytes"
    assert format_bytes(1024) == "1.0 KiB"
    assert format_bytes(5 * 1024**3) == "5.0 GiB"
