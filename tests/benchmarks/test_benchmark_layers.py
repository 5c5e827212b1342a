"""Layers measured one by one: their products are right, and the table says what was measured."""

from __future__ import annotations

import time

import numpy as np
import pytest

import steepest as st
from benchmarks.layers import (
    DATA_GRADIENT,
    FORWARD,
    WEIGHT_GRADIENT,
    LayerSpeed,
    layer_table,
    main,
    make_products,
    measure_layers,
    name_of,
    operands,
)
from benchmarks.machine import Peak
from benchmarks.workloads import make_workload
from benchmarks.workloads.layers import Convolution, Dense, TransposedConvolution, Weighted
from steepest.nn import functional

LAYERS: dict[str, Weighted] = {
    "dense 5-4": Dense(5, 4),
    "3x3 4-6 of 5x5, 2 groups": Convolution(4, 6, 3, 5, padding=1, groups=2),
    "depthwise 3x3 4-4 of 6x6, stride 2": Convolution(4, 4, 3, 6, 2, padding=1, groups=4),
    "transposed 4x4 3-2 of 3x3, stride 2": TransposedConvolution(3, 2, 4, 3, 2, padding=1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_products_are_those_of_one_bilinear_function(name: str) -> None:
    layer = LAYERS[name]
    assert name_of(layer) == name
    data, weight, output_grad = (each.astype(np.float64) for each in operands(layer, 2))
    found = {
        product: np.asarray(program())
        for product, program in make_products(layer, 2, "evaluator").items()
    }
    total = float(np.sum(output_grad * found[FORWARD]))
    assert np.sum(data * found[DATA_GRADIENT]) == pytest.approx(total, rel=1e-4, abs=1e-3)
    assert np.sum(weight * found[WEIGHT_GRADIENT]) == pytest.approx(total, rel=1e-4, abs=1e-3)


def test_the_forward_product_takes_and_gives_channels_last() -> None:
    layer = Convolution(4, 6, 3, 5, padding=1)
    data, weight, _ = map(st.asarray, operands(layer, 2))
    expected = functional.conv2d(data.permute(0, 3, 1, 2), weight, padding=1)
    found = np.asarray(make_products(layer, 2, "evaluator")[FORWARD]())
    np.testing.assert_allclose(found, np.asarray(expected).transpose(0, 2, 3, 1), rtol=1e-5)


def test_like_layers_are_measured_once_and_the_first_has_no_data_gradient() -> None:
    workload = make_workload("mlp", {"layers": (3, 4, 4, 4), "batch": 2})
    first, second = measure_layers(workload, 1, 0.0, time.perf_counter)
    assert (first.layer, first.count, first.operations) == (Dense(3, 4), 1, 2 * 2 * 12)
    assert (second.layer, second.count, second.operations) == (Dense(4, 4), 2, 2 * 2 * 16)
    assert list(first.seconds) == [FORWARD, WEIGHT_GRADIENT]
    assert all(seconds > 0 for seconds in (*first.seconds.values(), *second.seconds.values()))


def test_the_table_gives_rates_and_shares() -> None:
    speeds = [
        LayerSpeed(Dense(10, 10), 1, 2_000_000, {FORWARD: 1e-3, WEIGHT_GRADIENT: 2e-3}),
        LayerSpeed(
            Dense(20, 10),
            2,
            4_000_000,
            {FORWARD: 1e-3, DATA_GRADIENT: 4e-3, WEIGHT_GRADIENT: 1e-3},
        ),
    ]
    table = layer_table(speeds, 32, Peak(10.0, 1.0))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert cells[0][:4] == ["layer, batch 32", "times", "MFLOP", "forward"]
    assert cells[2] == ["dense 10-10", "1", "2.0", "2.0", "20%", "–", "–", "1.0", "10%"]
    assert cells[3] == ["dense 20-10", "2", "4.0", "4.0", "40%", "1.0", "10%", "4.0", "40%"]
    assert cells[4] == ["all", "3", "10.0", "3.3", "33%", "1.0", "10%", "2.5", "25%"]


def test_an_unknown_workload_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["resnet"])
    assert "no workload is called 'resnet'" in capsys.readouterr().err
