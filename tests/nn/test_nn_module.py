"""Module: registration, names, modes, state, text, guards."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as hs

import steepest as st
from steepest import nn
from steepest.errors import ArgumentError, CheckpointError, DTypeError


class Net(nn.Module):
    """A network with every kind of attribute."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(st.ones((3,)))
        self.register_buffer("steps", st.zeros((), dtype=st.int64))
        self.register_buffer("scratch", st.zeros((2,)), persistent=False)
        self.body = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
        self.head = nn.Linear(3, 2)
        self.rate = 0.5

    def forward(self, x):
        return self.head(self.body(x) * self.scale)


def test_attributes_become_parameters_buffers_and_children():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [
        "scale",
        "body.0.weight",
        "body.0.bias",
        "head.weight",
        "head.bias",
    ]
    assert [name for name, _ in net.named_buffers()] == ["steps", "scratch"]
    assert [name for name, _ in net.named_children()] == ["body", "head"]
    assert [name for name, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "head"]
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert next(net.named_parameters(prefix="net"))[0] == "net.scale"
    assert list(net.state_dict()) == [
        "scale",
        "steps",
        "body.0.weight",
        "body.0.bias",
        "head.weight",
        "head.bias",
    ]
    assert net(st.ones((5, 4))).shape == (5, 2)


def test_parameters_copy_their_data():
    data = np.ones(3)
    parameter = nn.Parameter(data)
    data[0] = 7.0
    assert parameter.tolist() == [1.0, 1.0, 1.0]
    assert parameter.requires_grad
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    assert not nn.Buffer(data).requires_grad


def test_shared_parameters_count_once_but_load_under_each_name():
    net = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight"]
    assert list(net.state_dict()) == ["0.weight", "1.weight"]
    value = np.eye(3, dtype="float32")
    net.load_state_dict({"0.weight": value, "1.weight": value})
    np.testing.assert_array_equal(net[1].weight.numpy(), value)
    layer = nn.Linear(2, 2)
    twice = nn.Sequential(layer, nn.ReLU(), layer)
    assert len(list(twice.parameters())) == 2
    assert len(list(twice.modules())) == 3
    assert len(list(twice.children())) == 2


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert all(module.training for module in net.train().modules())
    with pytest.raises(ArgumentError, match="train: mode must be True or False, got 'yes'"):
        net.train("yes")


def test_freeze_and_unfreeze():
    net = Net()
    net.body.freeze()
    frozen = [name for name, each in net.named_parameters() if not each.requires_grad]
    assert frozen == ["body.0.weight", "body.0.bias"]
    st.sum(net(st.ones((2, 4)))).backward()
    assert net.body[0].weight.grad is None
    assert net.head.weight.grad is not None
    net.unfreeze()
    assert all(each.requires_grad for each in net.parameters())
    net.zero_grad()
    assert net.head.weight.grad is None


def test_apply_visits_children_first():
    names = []
    Net().apply(lambda module: names.append(type(module).__name__))
    assert names == ["Linear", "ReLU", "Sequential", "Linear", "Net"]


def test_get_submodule_and_parameter():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("body.0") is net.body[0]
    assert net.get_parameter("head.bias") is net.head.bias
    with pytest.raises(ArgumentError) as error:
        net.get_submodule("haed")
    assert str(error.value) == "Net has no module 'haed'. Did you mean 'head'?"
    with pytest.raises(ArgumentError) as error:
        net.get_parameter("head.wieght")
    assert str(error.value) == "Net has no parameter 'head.wieght'. Did you mean 'head.weight'?"


def test_forgotten_super_init_is_named():
    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

    with pytest.raises(ArgumentError) as error:
        Forgetful()
    assert str(error.value) == (
        "Forgetful: 'layer' is used before Module.__init__ has run. "
        "Call super().__init__() in the first line of Forgetful.__init__."
    )

    class Silent(nn.Module):
        def __init__(self):
            pass

    with pytest.raises(ArgumentError) as error:
        Silent()(st.ones((2,)))
    assert str(error.value) == (
        "Silent: the module is used before Module.__init__ has run. "
        "Call super().__init__() in the first line of Silent.__init__."
    )


def test_unknown_attribute_has_a_suggestion():
    with pytest.raises(AttributeError) as error:
        _ = nn.Linear(2, 2).wieght
    assert str(error.value) == "Linear has no attribute 'wieght'. Did you mean 'weight'?"


def test_missing_forward_is_named():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty has no forward method"):
        Empty()(1)


def test_plain_lists_of_layers_are_refused():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(2, 2)]

    with pytest.raises(ArgumentError) as error:
        list(Hidden().parameters())
    assert str(error.value) == (
        "Hidden.layers is a plain list that holds a Linear, which training would not find. "
        "Use nn.ModuleList instead."
    )


def test_parameters_and_children_are_not_replaced_by_something_else():
    layer = nn.Linear(2, 2)
    with pytest.raises(ArgumentError) as error:
        layer.weight = st.ones((2, 2))
    assert str(error.value) == (
        "Linear.weight is a Parameter and cannot become a Tensor. "
        "Change its numbers with .assign(...)."
    )
    net = Net()
    with pytest.raises(ArgumentError) as error:
        net.head = 3
    assert str(error.value) == (
        "Net.head is a Module and cannot become a int. Delete it first (del module.head)."
    )
    layer.bias = None
    assert list(layer.state_dict()) == ["weight"]


def test_a_module_cannot_hold_itself():
    net = Net()
    with pytest.raises(ArgumentError) as error:
        net.body.parent = net
    assert str(error.value) == (
        "Sequential.parent: a module cannot hold itself, nor a module that holds it."
    )


def test_assigning_to_a_buffer_writes_its_numbers():
    net = Net()
    steps = net.steps
    net.steps = net.steps + 1
    assert net.steps is steps
    assert int(steps) == 1
    count = st.compile(lambda x: _count(net, x))
    count(st.ones((2,)))
    count(st.ones((2,)))
    assert int(steps) == 3


def _count(net, x):
    net.steps = net.steps + 1
    return x


def test_registration_by_name():
    net = Net()
    with pytest.raises(ArgumentError, match=r"Net already has an attribute 'head'\."):
        net.register_buffer("head", st.ones(()))
    with pytest.raises(ArgumentError, match=r"must be a non-empty text without dots, got 'a\.b'"):
        net.add_module("a.b", nn.ReLU())
    with pytest.raises(ArgumentError) as error:
        net.register_parameter("w", st.ones((2,)))
    assert (
        str(error.value) == "Net.w must be a Parameter, got a Tensor. Wrap it: nn.Parameter(...)."
    )
    net.register_parameter("w", None)
    assert net.w is None
    del net.head
    assert "head.weight" not in net.state_dict()


def test_integer_parameters_need_requires_grad_false():
    with pytest.raises(DTypeError) as error:
        nn.Parameter(np.arange(3))
    assert str(error.value) == (
        "Parameter: data (3,) is int64, but gradients need floating point. Convert it with "
        ".astype(steepest.float32), or pass requires_grad=False."
    )
    assert nn.Parameter(np.arange(3), requires_grad=False).dtype is st.int64


def test_repr():
    assert repr(Net()) == (
        "Net(\n"
        "  (body): Sequential(\n"
        "    (0): Linear(in_features=4, out_features=3, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        "  (head): Linear(in_features=3, out_features=2, bias=True)\n"
        ")"
    )


def test_state_dict_is_a_copy():
    layer = nn.Linear(2, 2)
    before = layer.state_dict()
    old = before["weight"].numpy().copy()
    layer.weight.assign(0.0)
    np.testing.assert_array_equal(before["weight"].numpy(), old)


def test_state_goes_to_torch_and_back():
    ours = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.PReLU())
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.PReLU())
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(st.asarray(x)).numpy(), expected, rtol=1e-5, atol=1e-6)
    theirs.load_state_dict(
        {name: torch.from_numpy(value.numpy().copy()) for name, value in ours.state_dict().items()}
    )


def test_loading_converts_widths_of_numbers():
    layer = nn.Linear(2, 2)
    layer.load_state_dict({"weight": np.full((2, 2), 0.1), "bias": np.zeros(2)})
    assert layer.weight.dtype is st.float32
    np.testing.assert_array_equal(layer.weight.numpy(), np.full((2, 2), 0.1, "float32"))


def test_misfitting_state_changes_nothing_and_lists_everything():
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    before = {name: value.numpy().copy() for name, value in net.state_dict().items()}
    state = {
        "0.weight": np.zeros((3, 4)),
        "0.bias": np.zeros(3, dtype="int64"),
        "1.weight": np.zeros((3, 2)),
        "1.bais": np.zeros(2),
    }
    with pytest.raises(CheckpointError) as error:
        net.load_state_dict(state)
    assert str(error.value) == (
        "load_state_dict: the state does not fit Sequential, nothing was changed:\n"
        "  '0.bias' is int64 in the state, but float32 here\n"
        "  '1.weight' is (3, 2) in the state, but (2, 3) here\n"
        "  missing '1.bias' (2,)\n"
        "  unexpected '1.bais' (2,). Did you mean '1.bias'?"
    )
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_loose_loading_reports_names_but_refuses_shapes():
    net = nn.Sequential(nn.Linear(4, 3))
    result = net.load_state_dict({"0.bias": np.ones(3), "extra": np.ones(1)}, strict=False)
    assert result.missing_keys == ["0.weight"]
    assert result.unexpected_keys == ["extra"]
    assert net[0].bias.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(CheckpointError, match=r"'0.bias' is \(4,\) in the state, but \(3,\) here"):
        net.load_state_dict({"0.bias": np.ones(4)}, strict=False)


def test_shared_tensors_must_agree():
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    with pytest.raises(
        CheckpointError, match=r"'0\.weight' and '1\.weight' are one shared tensor here, but differ"
    ):
        net.load_state_dict({"0.weight": np.zeros((2, 2)), "1.weight": np.ones((2, 2))})


def test_state_that_is_no_state():
    with pytest.raises(CheckpointError, match="needs a mapping of names to arrays, got a list"):
        nn.Linear(2, 2).load_state_dict([1])
    with pytest.raises(CheckpointError, match="'bias' cannot be read as an array of numbers"):
        nn.Linear(2, 2).load_state_dict({"weight": np.ones((2, 2)), "bias": object()})


@settings(max_examples=20, deadline=None, derandomize=True)
@given(hs.lists(hs.integers(1, 6), min_size=2, max_size=5), hs.booleans())
def test_any_stack_of_layers_round_trips(widths, normalized):
    def build():
        layers = []
        for width, outputs in itertools.pairwise(widths):
            layers.append(nn.Linear(width, outputs))
            if normalized:
                layers.append(nn.BatchNorm1d(outputs))
        return nn.Sequential(*layers)

    first, second = build().eval(), build().eval()
    second.load_state_dict(first.state_dict())
    x = st.ones((2, widths[0]))
    np.testing.assert_array_equal(first(x).numpy(), second(x).numpy())


def test_deepcopy_and_pickle_keep_numbers_apart():
    net = Net()
    twin = copy.deepcopy(net)
    again = pickle.loads(pickle.dumps(net))
    net.head.weight.assign(0.0)
    assert (twin.head.weight.numpy() != 0).any()
    np.testing.assert_array_equal(twin.head.weight.numpy(), again.head.weight.numpy())
    assert isinstance(twin.head.weight, nn.Parameter)
    assert twin.scratch.persistent is False


def test_to_changes_the_data_type_and_keeps_sharing():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))
    net[2].weight = net[0].weight
    net.to("float64")
    assert net[0].weight.dtype is st.float64
    assert net[2].weight is net[0].weight
    assert net[1].running_mean.dtype is st.float64
    assert net[1].num_batches_tracked.dtype is st.int64
    assert net(st.ones((3, 2), dtype="float64")).dtype is st.float64


def test_forward_hooks():
    net = Net()
    seen = []
    handle = net.head.register_forward_hook(lambda _module, _inputs, out: seen.append(out.shape))
    net(st.ones((5, 4)))
    handle.remove()
    handle.remove()
    net(st.ones((5, 4)))
    assert seen == [(5, 2)]
    net.head.register_forward_hook(lambda _module, _inputs, out: out * 0)
    assert (net(st.ones((5, 4))).numpy() == 0).all()


def test_labels_are_qualified_names():
    net = Net()
    assert net.label == "Net"
    assert net.head.label == "Linear 'head'"
    assert net.body[0].label == "Linear 'body.0'"
    outer = nn.ModuleDict({"net": net})
    assert outer["net"].body[0].label == "Linear 'net.body.0'"


def test_parameters_know_their_qualified_names():
    net = Net()
    assert net.head.weight.name == "head.weight"
    assert net.body[0].bias.name == "body.0.bias"
    outer = nn.Sequential(net)
    assert net.body[0].bias.name == "0.body.0.bias"
    assert net.steps.name == "0.steps"
    program = st.compile(lambda x: outer(x)).stages(st.ones((2, 4)))["trace"]
    assert "0.body.0.weight: float32[3, 4]" in program


def test_text_of_parameters():
    assert repr(nn.Parameter(np.ones(2))) == (
        "Parameter([1., 1.], dtype=float64, requires_grad=True)"
    )
    assert repr(nn.Buffer(np.eye(2))) == "Buffer([[1., 0.],\n        [0., 1.]], dtype=float64)"


def test_static_state_follows_every_plain_attribute():
    net = Net()
    first = net._static_state()
    assert net._static_state() is first
    net.rate = 0.25
    assert net._static_state() != first
    net.rate = 0.5
    assert net._static_state() == first
    net.body[0] = nn.Linear(4, 3)
    assert net._static_state() == first
    assert net.body._static_state() != Net().body._static_state()
    net.sizes = [1, 2]
    second = net._static_state()
    net.sizes.append(3)
    assert net._static_state() != second
    net.head = nn.Linear(3, 1)
    assert net._static_state()["_structure"] != first["_structure"]


def test_changed_attribute_retraces():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = 2.0
            self.mode = {"sign": [1.0]}

        def forward(self, x):
            return x * self.factor * self.mode["sign"][0]

    module = Scaled()
    run = st.compile(lambda x: module(x))
    x = st.ones((2,))
    assert run(x).tolist() == [2.0, 2.0]
    module.factor = 3.0
    assert run(x).tolist() == [3.0, 3.0]
    module.mode["sign"][0] = -1.0
    assert run(x).tolist() == [-3.0, -3.0]


def test_freezing_retraces_a_compiled_step():
    model = nn.Linear(2, 1)

    @st.compile
    def gradient(x):
        model.zero_grad()
        st.sum(model(x)).backward()
        return [p.grad for p in model.parameters() if p.requires_grad]

    assert len(gradient(st.ones((3, 2)))) == 2
    model.weight.requires_grad = False
    assert len(gradient(st.ones((3, 2)))) == 1
