"""The page as a whole: complete, self-contained, harmless, and valid HTML."""

from __future__ import annotations

import dataclasses
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from report_samples import binary_report, history, multiclass_report, regression_report

from steepest.errors import ArgumentError
from steepest.report import (
    ColumnFacts,
    History,
    Mistake,
    Predictor,
    Report,
    render_html,
    write_html,
)

HOSTILE = "<script>alert(1)</script>\"' onload=x &amp; {{ 7 * 7 }}"
VOID = {"meta", "br", "img", "link", "input", "hr"}
REPORTS = {
    "regression": regression_report,
    "binary": binary_report,
    "multiclass": multiclass_report,
}


class Page(HTMLParser):
    """Reads a page, checks that its tags nest, and collects tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.problems: list[str] = []
        self.feed(html)
        self.close()
        if self.open:
            self.problems.append(f"never closed: {self.open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.problems.append(f"attribute twice in {tag}: {names}")
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing, line {self.getpos()[0]}")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


@pytest.fixture(params=REPORTS)
def page(request: pytest.FixtureRequest) -> Page:
    return Page(render_html(REPORTS[request.param]()))


def test_tags_nest_and_attributes_are_unique(page: Page) -> None:
    assert page.problems == []


def test_ids_are_unique_and_labels_point_at_them(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    labels = [a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a]
    assert len(ids) == len(set(ids))
    assert labels
    assert set(labels) <= set(ids)


def test_page_needs_no_network_and_no_script(page: Page) -> None:
    tags = {tag for tag, _ in page.tags}
    assert tags.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "base", "form"})
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "href", "xlink:href", "srcset", "action"), (tag, name)
            assert "http" not in (value or "").replace("http-equiv", ""), (tag, name, value)


@pytest.mark.parametrize("task", REPORTS)
def test_page_names_no_address(task: str) -> None:
    html = render_html(REPORTS[task]())
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", html)
    assert "default-src 'none'" in html


def test_every_chart_has_a_name(page: Page) -> None:
    charts = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(charts) >= 4
    for attributes in charts:
        named = attributes.get("role") == "img" and attributes.get("aria-label")
        assert named or attributes.get("aria-hidden") == "true", attributes


def test_headings_descend_one_level_at_a_time(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_regression_page_says_everything() -> None:
    text = Page(render_html(regression_report())).text
    for expected in (
        "Predicting price from houses.csv",
        "misses by 7,705 on average.",
        "1,000 rows",
        "area",
        "3 missing",
        "free text",
        "600 train",
        "200 validation",
        "1,234",
        "1,243 parameters",
        "AdamW",
        "row 17",
        "true 250,000",
        "predicted 310,500",
        "odd.",
        "Columns left out",
        "3 rows without a price were left out.",
        "steepest predict model new.csv -o out.csv",
        "Healthy.",
        "Predicted against true",
        "1 column made no difference beyond chance.",
        "training took 12 s",
        "seed 7",
        "2026-01-02",
    ):
        assert expected in text, expected


def test_binary_page_shows_ranking_and_calibration() -> None:
    text = Page(render_html(binary_report())).text
    for expected in ("Who is taken for whom", "Ranking", "Are the probabilities honest?"):
        assert expected in text
    assert "predicted spam (97.0% sure)" in text


def test_multiclass_page_pools_rare_classes() -> None:
    text = Page(render_html(multiclass_report(20))).text
    assert "9 others" in text
    assert "Ranking" not in text


def test_hostile_text_is_harmless_everywhere() -> None:
    hostile = dataclasses.replace(
        regression_report(),
        target=HOSTILE,
        data_file=HOSTILE,
        columns=[ColumnFacts(HOSTILE, HOSTILE, note=HOSTILE), ColumnFacts("x", "text", False)],
        split_sizes={HOSTILE: 3},
        split_note=HOSTILE,
        target_note=HOSTILE,
        settings={HOSTILE: HOSTILE},
        mistakes=[Mistake(1, 1.0, 2.0, None, {HOSTILE: HOSTILE}, (HOSTILE,))],
        warnings=[HOSTILE],
        versions={HOSTILE: HOSTILE},
        created=HOSTILE,
        importance_unit=HOSTILE,
    )
    html = render_html(hostile)
    page = Page(html)
    assert page.problems == []
    assert "<script" not in html
    assert HOSTILE in page.text
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_hostile_classes_are_harmless() -> None:
    report = binary_report()
    classes = [HOSTILE, "spam"]
    true = np.where(report.y_true == "ham", HOSTILE, "spam")
    predicted = np.where(report.predictions == "ham", HOSTILE, "spam")
    model = Predictor("Network", {"accuracy": 0.9}, predicted)
    html = render_html(
        dataclasses.replace(
            report, classes=classes, y_true=true, model=model, linear=None, mistakes=[]
        )
    )
    assert "<script" not in html
    assert Page(html).problems == []


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\ud800", "\u202e", "\u2066"])
def test_unprintable_characters_are_replaced(character: str, tmp_path: Path) -> None:
    report = regression_report(warnings=[f"before{character}after"])
    path = write_html(report, tmp_path / "report.html")
    assert "before\ufffdafter" in path.read_text("utf-8")


def test_the_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    assert write_html(regression_report(), str(path)) == path
    assert path.read_text("utf-8").startswith("<!doctype html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_html(regression_report(), path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_report_of_ten_thousand_columns_stays_small() -> None:
    columns = [ColumnFacts(f"column {number}", "number") for number in range(10_000)]
    html = render_html(regression_report(columns=columns))
    assert len(html) < 300_000
    assert "9,760 further columns not shown." in html


@pytest.mark.parametrize(
    "history_of_one",
    [
        History([0.5]),
        History([0.5], [0.6], {}, 1),
        History([float("nan")] * 3, [float("nan")] * 3),
        History([0.5, float("inf")], [0.6, float("nan")]),
        History([-1.0, -2.0, -3.0], [-1.0, -2.0, -2.5]),
        History([0.0] * 6, [0.0] * 6),
    ],
)
def test_odd_histories_still_make_a_page(history_of_one: History) -> None:
    html = render_html(regression_report(history=history_of_one))
    assert Page(html).problems == []
    assert not re.search(r'="[^"]*\b(nan|inf)\b', html)


def test_learning_rate_is_drawn_where_no_measure_is() -> None:
    curves = History([1.0, 0.5, 0.4], [1.0, 0.6, 0.5], {}, 3, learning_rate=[0.1, 0.2, 0.0])
    assert "large ones explore" in Page(render_html(regression_report(history=curves))).text
    flat = History([1.0, 0.5, 0.4], [1.0, 0.6, 0.5], {}, 3, learning_rate=[0.1, 0.1, 0.1])
    assert "large ones explore" not in Page(render_html(regression_report(history=flat))).text


def test_odd_predictions_still_make_a_page() -> None:
    for true, predicted in ([5.0], [5.0]), ([0.0, 0.0], [0.0, 0.0]), ([1e300, -1.0], [3.0, 2e-9]):
        model = Predictor("Network", {"mae": 0.0}, np.array(predicted))
        report = regression_report(y_true=np.array(true), model=model, linear=None, trivial=None)
        assert Page(render_html(report)).problems == []


def test_wrong_contents_are_refused_word_for_word() -> None:
    report = regression_report()
    with pytest.raises(ArgumentError) as error:
        dataclasses.replace(report, linear=Predictor("Linear model", {}, np.zeros(3)))
    assert str(error.value) == (
        "Report: predictions of 'Linear model' have shape (3,), but y_true has shape (200,)."
    )
    with pytest.raises(ArgumentError) as error:
        dataclasses.replace(report, model=Predictor("Network", {}))
    assert str(error.value) == ("Report: the test part needs at least one row and its predictions.")
    with pytest.raises(ArgumentError) as error:
        binary_report(probabilities=np.zeros((300, 3)))
    assert str(error.value) == (
        "Report: probabilities have shape (300, 3), but y_true and classes ask for (300, 2)."
    )
    with pytest.raises(ArgumentError) as error:
        History([1.0, 2.0], [1.0])
    assert str(error.value) == "History: validation_loss has 1 epochs, but train_loss has 2."
    with pytest.raises(ArgumentError) as error:
        History([1.0], [1.0], {}, 2)
    assert str(error.value) == "History: best_epoch is 2, but there are 1 epochs."


def test_same_report_gives_same_bytes() -> None:
    first: Report = binary_report(history=history())
    assert render_html(first) == render_html(binary_report(history=history()))
