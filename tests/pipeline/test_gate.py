from __future__ import annotations

from ..command import Ended, train
from ..conftest import SampleRun


def assert_refused(run: SampleRun, ended: Ended) -> str:
    """The model in service is the same as before; returns the report."""
    (version,) = run.paths.serving_model.iterdir()
    assert ended.code == 1, ended.errors
    assert "not good enough and was not pushed" in ended.output
    assert f"in service stays {version}" in ended.output
    report = (run.paths.report / "report.html").read_text(encoding="utf-8")
    assert "The gate rejects this model" in report
    return report


def test_a_worse_model_is_not_pushed_and_stands_beside_the_one_in_service(
    sample_run_to_change: SampleRun,
):
    run = sample_run_to_change
    hardly_trained = '{"units": 1, "dense_units": 1, "min_examples": 1, "max_examples": 1}'
    run.paths.hyperparameters.write_text(hardly_trained)
    ended = train(run.output)
    assert "Trainer" not in ended.unchanged
    report = assert_refused(run, ended)
    assert "more than the 0.010 allowed" in report
    assert '<th class="n">in service</th>' in report


def test_a_model_below_the_floor_is_not_pushed(sample_run_to_change: SampleRun):
    run = sample_run_to_change
    ended = train(run.output, {"EMOTION_MIN_ACCURACY": "0.99"})
    assert "Trainer" in ended.unchanged
    report = assert_refused(run, ended)
    assert "below the floor of 0.990" in report
    assert "more than the" not in report


def test_the_model_pushed_has_a_card_that_names_its_version(sample_run: SampleRun):
    card = (sample_run.model / "README.md").read_text(encoding="utf-8")
    assert f"| model version | {sample_run.model.name} |" in card
    assert "| Files | emotions.csv |" in card
