"""Sequential, ModuleList, ModuleDict, ParameterList."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import steepest as st
from steepest import nn
from steepest.errors import ArgumentError


def _names(module):
    return [name for name, _ in module.named_children()]


def test_sequential_indexing_and_slicing():
    layers = [nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)]
    net = nn.Sequential(*layers)
    assert len(net) == 3
    assert list(net) == layers
    assert net[-1] is layers[2]
    part = net[1:]
    assert isinstance(part, nn.Sequential)
    assert list(part) == layers[1:]
    assert _names(part) == ["0", "1"]
    assert layers[2].label == "Linear '2'"
    with pytest.raises(IndexError, match="Sequential has 3 entries, so index 3 is out of range"):
        net[3]


def test_sequential_grows_and_shrinks():
    net = nn.Sequential(nn.Linear(4, 3))
    net.append(nn.ReLU()).extend([nn.Linear(3, 3), nn.Tanh()])
    net.insert(1, nn.LayerNorm(3))
    kinds = [type(each).__name__ for each in net]
    assert kinds == ["Linear", "LayerNorm", "ReLU", "Linear", "Tanh"]
    assert _names(net) == ["0", "1", "2", "3", "4"]
    del net[1:3]
    assert _names(net) == ["0", "1", "2"]
    del net[-1]
    net[1] = nn.Linear(3, 7)
    assert net(st.ones((2, 4))).shape == (2, 7)
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_sequential_of_names():
    net = nn.Sequential(OrderedDict([("fc", nn.Linear(4, 3)), ("act", nn.ReLU())]))
    assert _names(net) == ["fc", "act"]
    assert net.fc is net[0]
    assert _names(net[1:]) == ["act"]
    assert nn.Sequential({"a": nn.ReLU()})[0] is not None
    net.append(nn.Tanh())
    assert _names(net) == ["fc", "act", "2"]
    del net[0]
    assert _names(net) == ["act", "2"]


def test_empty_sequential_returns_its_input():
    x = st.ones((2,))
    assert nn.Sequential()(x) is x


def test_sequential_refuses_what_is_no_module():
    with pytest.raises(ArgumentError) as error:
        nn.Sequential(nn.Linear(2, 2), nn.ReLU)
    assert str(error.value) == (
        "Sequential: entry 1 must be a Module, got a type. Did you mean ReLU()?"
    )


def test_module_list():
    entries = nn.ModuleList([nn.Linear(2, 2)])
    entries.append(nn.Linear(2, 3)).extend([nn.ReLU()])
    entries.insert(0, nn.Tanh())
    assert len(entries) == 4
    assert _names(entries) == ["0", "1", "2", "3"]
    assert isinstance(entries[0], nn.Tanh)
    assert entries[1:3] == [entries[1], entries[2]]
    entries[3] = nn.Sigmoid()
    del entries[0]
    assert [type(each).__name__ for each in entries] == ["Linear", "Linear", "Sigmoid"]
    assert list(entries.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    with pytest.raises(ArgumentError, match="entry 3 must be a Module, got a int"):
        entries.append(3)
    with pytest.raises(IndexError):
        entries[9]


def test_module_list_inside_a_network_names_its_layers():
    class Stack(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))
            self.blocks.append(nn.Linear(2, 1))

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return x

    net = Stack()
    assert net(st.ones((3, 2))).shape == (3, 1)
    assert net.blocks[2].label == "Linear 'blocks.2'"


def test_module_dict():
    entries = nn.ModuleDict({"a": nn.Linear(2, 2)})
    entries["b"] = nn.ReLU()
    entries.update([("c", nn.Tanh())])
    assert list(entries) == entries.keys() == ["a", "b", "c"]
    assert "b" in entries
    assert "z" not in entries
    assert len(entries.values()) == len(entries.items()) == len(entries) == 3
    replacement = nn.Sigmoid()
    entries["b"] = replacement
    assert entries["b"] is replacement
    assert entries.pop("b") is replacement
    del entries["c"]
    assert entries.keys() == ["a"]
    with pytest.raises(KeyError, match="ModuleDict has no module 'z'"):
        entries["z"]
    with pytest.raises(ArgumentError, match="ModuleDict already has an attribute 'keys'"):
        entries["keys"] = nn.ReLU()


def test_parameter_list():
    entries = nn.ParameterList([nn.Parameter(st.ones((2,)))])
    entries.append(nn.Parameter(st.zeros((3,)))).extend([nn.Parameter(st.ones(()))])
    assert len(entries) == 3
    assert [name for name, _ in entries.named_parameters()] == ["0", "1", "2"]
    assert [each.shape for each in entries] == [(2,), (3,), ()]
    entries[0] = nn.Parameter(st.zeros((5,)))
    assert entries[0].shape == (5,)
    with pytest.raises(ArgumentError) as error:
        entries.append(st.ones((2,)))
    assert str(error.value) == (
        "ParameterList: entry 3 must be a Parameter, got a Tensor. Wrap it: nn.Parameter(...)."
    )
