"""The totals of micro-kernels stay in registers, on every machine and for every form and edge."""

from __future__ import annotations

import pytest
from native.assembly import innermost_loops

import steepest as st
from steepest.codegen.target import AVX2, AVX512, NEON, Machine
from steepest.graph.node import Graph, Node, make_input
from steepest.graph.types import TensorType
from steepest.ops import REGISTRY
from steepest.runtime.executable import NativeExecutable

SPECS = ["ij,jk->ik", "ij,kj->ik", "ji,jk->ik", "ji,kj->ik", "ijk,jk->ik"]
BATCHES = ["bij,bjk->bik", "bji,bkj->bik"]
SHAPES = [
    *((rows, columns) for rows in range(1, 9) for columns in (7, 100)),
    *((rows, columns) for rows in (8, 13) for columns in (16, 20, 37, 48)),
    *((1800, columns) for columns in (14, 16, 40, 60, 64)),
]
"""Rows and columns below, at and between the widths of vectors and tiles of all machines; and as
many rows as are asked for ahead."""
MACHINES = {"avx512": AVX512, "avx2": AVX2, "neon": NEON}


def contractions(spec: str, dtype: st.DType) -> Graph:
    """One graph of contractions of many shapes."""
    contract = REGISTRY["contract"]
    inputs: list[Node] = []
    outputs = []
    for rows, columns in SHAPES:
        sizes = {"b": 3, "i": rows, "j": 19, "k": columns}
        for letters in spec.partition("->")[0].split(","):
            shape = tuple(sizes[each] for each in letters)
            inputs.append(make_input(f"x{len(inputs)}", TensorType(shape, dtype)))
        left, right = inputs[-2:]
        result = contract.infer(left.type, right.type, spec=spec)
        outputs.append(Node(contract, (left, right), {"spec": spec}, result))
    return Graph("contractions", tuple(inputs), tuple(outputs))


def kernels(graph: Graph, machine: Machine) -> int:
    """Check a graph's micro-kernels; return how many there are."""
    assembly = NativeExecutable(graph, threads=1, machine=machine).stages()["assembly"]
    found = [loop for loop in innermost_loops(assembly) if loop.multiplies]
    for loop in found:
        assert not loop.spills, "\n".join([loop.function, *loop.lines])
    return len(found)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("machine", MACHINES)
def test_no_vector_is_spilled(machine: str, spec: str) -> None:
    assert kernels(contractions(spec, st.float32), MACHINES[machine]) > len(SHAPES)


@pytest.mark.parametrize("spec", [SPECS[0], *BATCHES])
@pytest.mark.parametrize("machine", MACHINES)
def test_no_vector_of_float64_is_spilled(machine: str, spec: str) -> None:
    assert kernels(contractions(spec, st.float64), MACHINES[machine]) > len(SHAPES)


IMAGES = [(16, 48, 7), (24, 40, 9), (64, 100, 4), (64, 64, 2), (32, 32, 28), (6, 16, 14)]
"""Channels in and out, and sizes, whose tiles span one, two or three loops."""


@pytest.mark.parametrize("machine", MACHINES)
def test_no_vector_of_a_convolution_is_spilled(machine: str) -> None:
    contract, windows = REGISTRY["contract"], REGISTRY["windows"]
    static = {"axes": (2, 3), "sizes": (3, 3), "steps": (1, 1), "dilations": (1, 1)}
    inputs: list[Node] = []
    outputs = []
    for channels, features, size in IMAGES:
        image = TensorType((2, channels, size + 2, size + 2), st.float32)
        weight = TensorType((features, channels, 3, 3), st.float32)
        inputs += (make_input("x", image), make_input("w", weight))
        seen = Node(windows, (inputs[-2],), static, windows.infer(image, **static))
        spec = "ncxyuv,ocuv->noxy"
        made = contract.infer(seen.type, weight, spec=spec)
        outputs.append(Node(contract, (seen, inputs[-1]), {"spec": spec}, made))
    graph = Graph("convolutions", tuple(inputs), tuple(outputs))
    assert kernels(graph, MACHINES[machine]) >= len(IMAGES)


SPILLING = """
	.type	nest_0,@function
nest_0:
	subq	$72, %rsp
.LBB0_1:
	vmovups	%zmm3, -40(%rsp)                # 64-byte Spill
.LBB0_2:
	vmovups	(%r14), %zmm12
	vbroadcastss	(%r10,%rbx,4), %zmm15
	vfmadd231ps	%zmm12, %zmm15, %zmm0
	vmovups	(%rsp), %zmm12                  # 64-byte Reload
	vmovups	(%rbp), %zmm12
	movq	8(%rsp), %r14
	cmpq	$511, %rbx
	jb	.LBB0_2
	jb	.LBB0_1
	.type	nest_1,@function
nest_1:
	mov	x29, sp
.LBB1_1:
	fmla	v0.4s, v1.4s, v2.s[0]
	str	q29, [x29, #-16]                // 16-byte Folded Spill
	ldr	q29, [x2, #16]
	b.lo	.LBB1_1
"""


def test_spills_are_found() -> None:
    loops = innermost_loops(SPILLING)
    assert [loop.multiplies for loop in loops] == [1, 1]
    assert loops[0].spills == ["\tvmovups\t(%rsp), %zmm12"]
    assert loops[1].spills == ["\tstr\tq29, [x29, #-16]"]
