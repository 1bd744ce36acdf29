from __future__ import annotations

from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper

from rich.console import Console

from emotion_tfx.evaluation import Behaviour, EvaluatedRun, Verdict
from emotion_tfx.evaluation.console import print_behaviour, print_metrics

from .examples import answers, example_behaviour, example_run


def printed(run: EvaluatedRun, *, terminal: bool = False) -> str:
    file = StringIO()
    colours = "truecolor" if terminal else None
    console = Console(file=file, width=80, force_terminal=terminal, color_system=colours)
    print_metrics(console, run.metrics, verdict=run.verdict)
    return file.getvalue()


def test_in_a_pipe_it_is_plain_and_fits_80_columns():
    shown = printed(example_run())
    assert "\x1b" not in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_it_shows_the_figures():
    metrics = example_run().metrics
    lines = [line.split() for line in printed(example_run()).splitlines()]
    for each, row in zip(metrics.classes, metrics.confusion, strict=True):
        figures = [f"{value:.3f}" for value in (each.precision, each.recall, each.f1)]
        assert [each.label, *figures, str(each.support)] in lines
        assert [each.label, *map(str, row)] in lines
    assert ["accuracy", f"{metrics.accuracy:.3f}"] == lines[0][:2]
    assert ["gate:", "passed"] in lines


def test_large_counts_fit_too():
    metrics = replace(example_run().metrics, n=5_400_000, confusion=((150_000,) * 6,) * 6)
    file = StringIO()
    print_metrics(Console(file=file, width=80), metrics)
    assert file.getvalue().count("150,000") == 36
    assert "…" not in file.getvalue()


def test_a_terminal_gets_colours():
    shown = printed(example_run(), terminal=True)
    assert "\x1b[48;2;" in shown or ";48;2;" in shown


def test_a_terminal_without_unicode_gets_ascii():
    file = TextIOWrapper(BytesIO(), encoding="ascii")
    print_metrics(Console(file=file, width=80), example_run(answers([1], [1])).metrics)
    file.flush()
    assert b"accuracy 1.000" in file.buffer.getvalue()


def test_a_rejection_gives_its_reasons():
    run = example_run(answers([1], [1]), verdict=Verdict(False, ("accuracy is too low",)))
    assert "gate: rejected\n  accuracy is too low" in printed(run)


def test_behaviour_shows_the_cases_that_fail_and_a_line_a_capability():
    file = StringIO()
    print_behaviour(Console(file=file, width=80), example_behaviour())
    assert file.getvalue().startswith(
        "“i | am glad <3” → “i am not glad <3”\n"
        "  expected less joy by 0.2, answered joy 0.95 → 0.94\n"
    )
    lines = [line.split() for line in file.getvalue().splitlines()]
    assert ["negation", "2", "1"] in lines
    assert ["all", "(66.7%)", "3", "2"] in lines


def test_behaviour_shows_emoji_where_they_cannot_be_shown():
    file = TextIOWrapper(BytesIO(), encoding="ascii")
    failing = [replace(each, passed=False) for each in example_behaviour().outcomes]
    print_behaviour(Console(file=file, width=80), Behaviour(tuple(failing)))
    file.flush()
    assert rb"\U0001f622" in file.buffer.getvalue()
