from __future__ import annotations

import pytest

from emotion_tfx.evaluation import compute_metrics
from emotion_tfx.evaluation.run import flatten, frequent_confusions, most_confident_mistakes

from .examples import answers, example_run


def test_the_surest_mistakes_come_first():
    rows = answers([0, 1, 2, 3], [0, 2, 1, 4], [0.99, 0.6, 0.9, 0.7], texts=["a", "b", "c", "d"])
    mistakes = most_confident_mistakes(rows)
    assert [each.text for each in mistakes] == ["c", "d", "b"]
    assert (mistakes[0].label, mistakes[0].predicted) == ("love", "joy")
    assert mistakes[0].confidence == pytest.approx(0.9)
    assert len(most_confident_mistakes(rows, limit=2)) == 2


def test_no_mistakes_make_an_empty_list():
    assert most_confident_mistakes(answers([0, 1], [0, 1])) == []


def test_confusions_are_ranked_by_their_share_of_the_true_class():
    # A quarter of four joys goes to love; one of two loves goes to joy.
    metrics = compute_metrics(answers([1, 1, 1, 1, 2, 2], [1, 1, 1, 2, 2, 1]))
    first, second = frequent_confusions(metrics)
    assert (first.label, first.predicted, first.count, first.share) == ("love", "joy", 1, 0.5)
    assert (second.label, second.predicted, second.share) == ("joy", "love", 0.25)


def test_nested_facts_become_rows():
    facts = {"units": 96, "rate": 0.002, "deep": {"on": True, "kinds": ["a", "b"]}, "none": None}
    assert dict(flatten(facts)) == {
        "units": "96",
        "rate": "0.002",
        "deep / on": "yes",
        "deep / kinds": "a, b",
        "none": "not known",
    }


def test_names_and_large_numbers_are_told_as_people_write_them():
    assert list(flatten({"rows_read": 16000, "a_b": {"c_d": 1}})) == [
        ("rows read", "16,000"),
        ("a b / c d", "1"),
    ]


def test_lists_of_parts_are_numbered():
    assert list(flatten({"files": [{"rows": 3}, {"rows": 4}]})) == [
        ("files / 1 / rows", "3"),
        ("files / 2 / rows", "4"),
    ]


def test_labels_missing_in_a_data_report_count_as_none():
    run = example_run(data_report={"labels": {"train": {"joy": 3}}})
    assert run.label_counts["train"]["joy"] == 3
    assert run.label_counts["train"]["fear"] == 0
    assert run.source_counts == {}
