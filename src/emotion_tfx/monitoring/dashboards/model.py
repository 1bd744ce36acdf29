"""How the model does: what it answers, how sure it is, what it is asked, how far that drifts."""

from __future__ import annotations

from emotion_tfx.labels import EMOTIONS
from emotion_tfx.monitoring.drift import DRIFT_FROM, MIN_TEXTS

from .parts import (
    MODELS,
    SOURCE,
    Bounds,
    Line,
    board,
    chart,
    figure,
    mean,
    quantile,
    rate,
    share,
)
from .sdk import (
    common_models,
    heatmap,
    heatmap_models,
    models,
    prometheus,
    prometheus_models,
    units,
)

_ANSWERS, _CONFIDENCE = "emotion_predictions_total", "emotion_confidence"
_JUDGED, _WORDS = "emotion_judged_texts_total", "emotion_sampled_words_total"
_LENGTH = "emotion_text_characters"
_UNSURE, _UNKNOWN = 'uncertain="true"', 'known="false"'

_COLOURS = {emotion.name: emotion.colour for emotion in EMOTIONS}

_ESTIMATED, _REFERENCE = "emotion_estimated_accuracy", "emotion_reference_accuracy"


def model() -> models.Dashboard:
    """The dashboard."""
    return board(
        "emotion-model",
        "emotion-tfx: Model",
        "What the model answers and how sure it is, what it is asked, and whether both still are "
        "what they were when it was evaluated.",
        [
            ("At a glance", _glance()),
            ("Answers", _answers()),
            ("Texts", _texts()),
            ("Drift and quality", _drift()),
        ],
    )


def _glance() -> list[object]:
    return [
        figure(
            "Version",
            "The newest version that serves.",
            units.NoUnit,
            f"max by (model_name) (emotion_model_version{{{MODELS}}})",
            name="{{model_name}}",
        ),
        figure(
            "Age",
            "Time since the newest version that serves was saved.",
            units.DurationSeconds,
            f"min by (model_name) (emotion_model_age_seconds{{{MODELS}}})",
            name="{{model_name}}",
        ),
        figure(
            "Texts",
            "Texts answered a second.",
            "suffix: texts/s",
            f"sum({rate(_ANSWERS, MODELS)})",
        ),
        figure(
            "Not sure",
            "The share of texts of which the model is not sure. About one in ten is usual on data "
            "like its own; the alert is at three in ten over an hour.",
            units.PercentUnit,
            share(_JUDGED, MODELS, _UNSURE),
            bounds=Bounds(0.2, 0.3),
        ),
        figure(
            "Estimated accuracy",
            "How often the model is likely to be right on the texts of late, by its calibrated "
            f"confidence; told from {MIN_TEXTS} texts on. It cannot see answers that are sure and "
            "wrong.",
            units.PercentUnit,
            f"min by (model_name) ({_ESTIMATED}{{{MODELS}}})",
            name="{{model_name}}",
            decimals=1,
        ),
        figure(
            "Largest drift",
            "The largest distance of any feature from the data on which the model was evaluated; "
            f"0 is none, 1 is all. The alert is at {DRIFT_FROM}.",
            units.Short,
            f"max(emotion_drift_distance{{{MODELS}}})",
            decimals=2,
            bounds=Bounds(DRIFT_FROM / 2, DRIFT_FROM),
        ),
    ]


def _answers() -> list[object]:
    by_label = f"sum by (label) ({rate(_ANSWERS, MODELS)})"
    return [
        chart(
            "Class mix",
            "The share of each emotion in the answers.",
            units.PercentUnit,
            Line(f"{by_label} / scalar(sum({rate(_ANSWERS, MODELS)}))", "{{label}}"),
            top=1,
            stacked=True,
            colours=_COLOURS,
        ),
        chart(
            "Class mix: the last hour less the last day",
            "By how much an emotion's share in the last hour differs from that in the last day. "
            "Beyond 20 points to either side, with enough texts, is an alert.",
            units.PercentUnit,
            Line(
                'job_model_name_label:emotion_predictions:share_rate1h{model_name=~"$model"} '
                '- job_model_name_label:emotion_predictions:share_rate1d{model_name=~"$model"}',
                "{{label}}",
            ),
            colours=_COLOURS,
        )
        .min(-1)
        .max(1),
        chart(
            "Confidence",
            "The probability of the class answered: its mean, its median, and what one answer in "
            "ten lies below.",
            units.PercentUnit,
            Line(mean(_CONFIDENCE, MODELS), "mean"),
            Line(quantile(0.5, _CONFIDENCE, MODELS), "median"),
            Line(quantile(0.1, _CONFIDENCE, MODELS), "lowest tenth"),
            top=1,
        ),
        _confidence_over_time(),
        chart(
            "Not sure",
            "The share of texts of which the model is not sure, of those asked about by "
            "classify_text or /v1/emotions. The dashed line is the alert's, over an hour.",
            units.PercentUnit,
            Line(share(_JUDGED, MODELS, _UNSURE), "not sure"),
            top=1,
            bound=0.3,
            width=24,
        ),
    ]


def _confidence_over_time() -> heatmap.Panel:
    buckets = f"sum by (le) (increase({_CONFIDENCE}_bucket{{{MODELS}}}[$__rate_interval]))"
    target = (
        prometheus.Dataquery()
        .ref_id("A")
        .datasource(SOURCE)
        .expr(buckets)
        .legend_format("{{le}}")
        .format(prometheus_models.PromQueryFormat.HEATMAP)
        .range()
    )
    return (
        heatmap.Panel()
        .title("Confidence of all answers")
        .description("How many answers had which confidence: the darker, the more.")
        .datasource(SOURCE)
        .unit(units.Short)
        .span(12)
        .height(8)
        .calculate(False)
        .y_axis(
            heatmap.YAxisConfig()
            .unit(units.PercentUnit)
            .axis_placement(common_models.AxisPlacement.LEFT)
        )
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_models.HeatmapColorMode.SCHEME)
            .scheme("Blues")
            .steps(64)
        )
        .tooltip(heatmap.HeatmapTooltip().mode(common_models.TooltipDisplayMode.SINGLE))
        .with_target(target)
    )


def _texts() -> list[object]:
    return [
        chart(
            "Unknown words",
            "The share of words that the model does not know, in a sample of the texts.",
            units.PercentUnit,
            Line(share(_WORDS, MODELS, _UNKNOWN), "unknown"),
        ),
        chart(
            "Text length",
            "How long the texts are: half are shorter than the median, a tenth longer than 90 %.",
            "suffix: characters",
            Line(quantile(0.5, _LENGTH, MODELS), "median"),
            Line(quantile(0.9, _LENGTH, MODELS), "90%"),
            Line(mean(_LENGTH, MODELS), "mean"),
        ),
    ]


def _drift() -> list[object]:
    return [
        chart(
            "Drift",
            "How far the answers (label, confidence) and the texts (length, unknown words) of late "
            "lie from those on which the model was evaluated: Jensen-Shannon distance, 0 for the "
            f"same, 1 for nothing in common; told from {MIN_TEXTS} texts on. The dashed line is "
            "the alert's.",
            units.Short,
            Line(f"max by (feature) (emotion_drift_distance{{{MODELS}}})", "{{feature}}"),
            bound=DRIFT_FROM,
        ),
        chart(
            "Estimated accuracy",
            "How often the model is likely to be right on the texts of late, by its calibrated "
            "confidence, and how often it was on the data on which it was evaluated. More than 5 "
            "points below is an alert.",
            units.PercentUnit,
            Line(f"min by (model_name) ({_ESTIMATED}{{{MODELS}}})", "estimated: {{model_name}}"),
            Line(f"max by (model_name) ({_REFERENCE}{{{MODELS}}})", "evaluated: {{model_name}}"),
            top=1,
        ),
        chart(
            "Texts looked at for drift",
            "How many of the last texts drift and accuracy are told from.",
            units.Short,
            Line(f"emotion_drift_texts{{{MODELS}}}", "{{model_name}} on {{instance}}"),
        ),
        chart(
            "Version",
            "The newest version that serves, of each model on each server.",
            units.NoUnit,
            Line(f"emotion_model_version{{{MODELS}}}", "{{model_name}} on {{instance}}"),
        ),
    ]
