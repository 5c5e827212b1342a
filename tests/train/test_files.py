"""Atomic files, the safetensors format, packing of nested state."""

import json
import math
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from safetensors import torch as torch_reference
from safetensors.numpy import load as reference_load
from safetensors.numpy import save as reference_save

import steepest as st
from steepest import nn
from steepest.errors import ArgumentError, CheckpointError, DTypeError
from steepest.train.files import partial_files, write_atomically
from steepest.train.packing import pack, unpack
from steepest.train.tensor_files import decode_tensors, encode_tensors, from_stored, stored

DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64", "complex64",
]  # fmt: skip


def some_arrays():
    generator = np.random.default_rng(0)
    arrays = {name: generator.normal(size=(3, 2)).astype(name) for name in DTYPES[9:]}
    arrays |= {name: generator.integers(0, 2, size=5).astype(name) for name in DTYPES[:9]}
    arrays |= {"scalar": np.array(2.5), "empty": np.zeros((0, 3), np.float32)}
    arrays["transposed"] = np.arange(6.0).reshape(2, 3).T
    arrays["big-endian"] = np.arange(3, dtype=">f4")
    return arrays


class TestAtomicWrites:
    def test_replaces_as_a_whole(self, tmp_path):
        path = tmp_path / "file"
        write_atomically(path, b"old")
        write_atomically(path, b"new")
        assert path.read_bytes() == b"new"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_failed_write_leaves_the_old_file(self, tmp_path, monkeypatch):
        path = tmp_path / "file"
        write_atomically(path, b"old")

        def refuse(_descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="No space left"):
            write_atomically(path, b"new")
        assert path.read_bytes() == b"old"
        assert list(partial_files(tmp_path)) == []


class TestSafetensors:
    def test_the_package_reads_what_is_written(self):
        arrays = some_arrays()
        content = encode_tensors({name: stored(array) for name, array in arrays.items()})
        read = reference_load(content)
        assert set(read) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype.newbyteorder("=")

    def test_what_the_package_writes_is_read(self):
        arrays = {
            name: np.ascontiguousarray(array)
            for name, array in some_arrays().items()
            if name != "big-endian"
        }
        tensors, metadata = decode_tensors(reference_save(arrays, {"made": "there"}), "memory")
        assert metadata == {"made": "there"}
        for name, array in arrays.items():
            np.testing.assert_array_equal(tensors[name].bits, array)
            assert tensors[name].bits.dtype == array.dtype

    def test_bfloat16(self):
        tensor = st.asarray([1.0, -2.5, 3e38], dtype=st.bfloat16)
        content = encode_tensors({"half": stored(tensor)})
        read = torch_reference.load(content)["half"]
        assert read.dtype is torch.bfloat16
        np.testing.assert_array_equal(read.float().numpy(), tensor.astype(st.float32))
        back = from_stored(decode_tensors(content, "memory")[0]["half"])
        assert back.dtype is st.bfloat16
        assert bool(st.all(back == tensor))

    def test_unknown_type(self):
        with pytest.raises(DTypeError, match="complex128, which safetensors files lack"):
            encode_tensors({"z": stored(np.zeros(1, np.complex128))})

    def test_every_truncation_is_refused(self):
        content = encode_tensors({"a": stored(np.arange(4.0)), "b": stored(np.arange(3))})
        for length in range(len(content)):
            with pytest.raises(CheckpointError, match="is not a whole safetensors file"):
                decode_tensors(content[:length], "cut")
        with pytest.raises(CheckpointError, match="its tensors take 56 bytes, but 57 are there"):
            decode_tensors(content + b"x", "long")

    @settings(max_examples=200, deadline=None)
    @given(some.data())
    def test_damage_is_refused_or_harmless(self, data):
        content = bytearray(encode_tensors({"a": stored(np.arange(4.0)), "b": stored(np.eye(2))}))
        place = data.draw(some.integers(0, len(content) - 1))
        content[place] ^= data.draw(some.integers(1, 255))
        try:
            tensors, _ = decode_tensors(bytes(content), "damaged")
        except CheckpointError:
            return
        assert sum(each.bits.nbytes for each in tensors.values()) == 64

    @pytest.mark.parametrize(
        ("header", "fault"),
        [
            ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, "takes 4 bytes, but"),
            ({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, "has the shape"),
            ({"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}, "has the shape"),
            ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, "begins at byte 4"),
            ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}, "has the place"),
            ({"a": {"dtype": "F32", "shape": [1]}}, "lacks its type, shape or place"),
            ({"a": {"dtype": "F8", "shape": [8], "data_offsets": [0, 8]}}, "of type 'F8'"),
            ({"__metadata__": 3}, "metadata is not a JSON object"),
            ([], "header is not a JSON object"),
        ],
    )
    def test_headers_that_lie(self, header, fault):
        text = json.dumps(header).encode()
        content = len(text).to_bytes(8, "little") + text + bytes(8)
        with pytest.raises(CheckpointError, match=fault):
            decode_tensors(content, "forged")

    def test_a_huge_header_is_not_allocated(self):
        with pytest.raises(CheckpointError, match="header would take"):
            decode_tensors((2**60).to_bytes(8, "little") + b"{}", "forged")

    def test_repeated_names(self):
        entry = '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'
        text = f'{{"a":{entry},"a":{entry}}}'.encode()
        with pytest.raises(CheckpointError, match="a name occurs twice"):
            decode_tensors(len(text).to_bytes(8, "little") + text + b"x", "forged")


class TestPacking:
    def round_trip(self, tree):
        arrays = {}
        text = json.dumps(pack(tree, "state", arrays), allow_nan=False)
        content = encode_tensors(arrays)
        return unpack(json.loads(text), decode_tensors(content, "memory")[0])

    def test_kinds(self):
        tree = {
            "none": None,
            "numbers": [1, 0.1 + 0.2, True, -0.0],
            "pair": (1, (2.0, "text")),
            "by number": {0: "a", 1: {"b": []}},
            "reserved": {"$tensor": "is a plain key here"},
            "limits": [math.inf, -math.inf],
            "numpy": np.float32(0.1),
        }
        assert self.round_trip(tree) == {**tree, "numpy": float(np.float32(0.1))}
        assert math.isnan(self.round_trip([math.nan])[0])

    def test_arrays_keep_their_kind_and_bits(self):
        tensor = st.asarray(np.array([np.nan, -0.0, 1e-45], np.float32))
        back = self.round_trip({"a.b": tensor, "a": {"b": np.arange(3)}})
        assert isinstance(back["a.b"], st.Tensor)
        assert np.asarray(back["a.b"]).tobytes() == np.asarray(tensor).tobytes()
        np.testing.assert_array_equal(back["a"]["b"], np.arange(3))
        assert back["a"]["b"].flags.writeable

    @settings(max_examples=50, deadline=None)
    @given(
        some.recursive(
            some.none() | some.booleans() | some.integers() | some.text()
            | some.floats(allow_nan=False),
            lambda inner: some.lists(inner, max_size=3)
            | some.tuples(inner, inner)
            | some.dictionaries(some.text() | some.integers(), inner, max_size=3),
            max_leaves=8,
        )
    )  # fmt: skip
    def test_any_tree(self, tree):
        assert repr(self.round_trip(tree)) == repr(tree)

    def test_what_cannot_be_saved(self):
        with pytest.raises(CheckpointError) as caught:
            pack({"callback": [object()]}, "state", {})
        assert str(caught.value) == (
            "checkpoint: 'state.callback.0' holds a value of type object, which cannot be "
            "saved. State is made of dicts, lists, numbers, text and arrays."
        )


class TestWeights:
    def test_there_and_back(self, tmp_path):
        st.random.seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        st.save(model, tmp_path / "weights.safetensors", {"made": "here"})
        other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        other.load_state_dict(st.load(tmp_path / "weights.safetensors"))
        for name, tensor in model.state_dict().items():
            np.testing.assert_array_equal(other.state_dict()[name], tensor)

    def test_pytorch_reads_them(self, tmp_path):
        model = nn.Linear(3, 4)
        st.save(model, tmp_path / "weights.safetensors")
        other = torch.nn.Linear(3, 4)
        other.load_state_dict(torch_reference.load_file(tmp_path / "weights.safetensors"))
        np.testing.assert_array_equal(other.weight.detach().numpy(), model.weight)

    def test_not_a_state(self, tmp_path):
        with pytest.raises(ArgumentError, match="save: needs a model or a mapping"):
            st.save([1, 2], tmp_path / "w")
        with pytest.raises(ArgumentError, match="save: the entry 'a' is a dict"):
            st.save({"a": {}}, tmp_path / "w")

    def test_a_folder_that_is_not_there(self):
        with pytest.raises(CheckpointError) as caught:
            st.save({"a": np.zeros(1)}, Path("nowhere") / "w.safetensors")
        assert str(caught.value) == (
            "save: cannot write 'nowhere/w.safetensors': No such file or directory."
        )
        with pytest.raises(CheckpointError) as caught:
            st.load("nowhere/w.safetensors")
        assert str(caught.value) == (
            "load: cannot read 'nowhere/w.safetensors': No such file or directory."
        )

    def test_a_pickle_is_refused(self, tmp_path):
        path = tmp_path / "weights.pt"
        path.write_bytes(pickle.dumps({"a": 1}))
        with pytest.raises(CheckpointError, match="is not a whole safetensors file"):
            st.load(path)
