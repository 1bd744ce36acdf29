"""The model card: what a model is for, what it is worth and where it fails, made from its figures.

The sections follow Mitchell et al., "Model Cards for Model Reporting", FAT* 2019; the front matter
is that of the Hugging Face hub, ``model-index`` included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from emotion_tfx.evaluation.behaviour import FILE, Behaviour
from emotion_tfx.evaluation.files import write_atomically
from emotion_tfx.evaluation.run import EvaluatedRun, flatten, frequent_confusions
from emotion_tfx.evaluation.templates import render
from emotion_tfx.labels import LABELS

# Facts with a place of their own in the card.
_PLACED = {"model licence", "corpus", "corpus source", "corpus licence"}

_LIMITS = "## Limits\n"
_BEHAVIOUR_SECTION = re.compile(r"^## Behaviour\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def write_model_card(
    path: Path, run: EvaluatedRun, *, name: str = "emotion-tfx", limits: Sequence[str] = ()
) -> Path:
    """Write the model card of a run as Markdown with YAML front matter. It holds no texts.

    Args:
        path: The file to write, ``README.md`` where a model hub is to show it.
        run: Its facts name the data and the licences (see :class:`EvaluatedRun`); what it does not
            know has no row. Files are named without their folders.
        name: The model's name.
        limits: Further known limits, a sentence each.

    Returns:
        ``path``.

    Raises:
        UserError: There are no rows to report, or ``path`` cannot be written to.
    """
    measured = [each for each in run.slices if each.accuracy is not None]
    card = render(
        "model_card.md.j2",
        name=name,
        labels=LABELS,
        metrics=run.metrics,
        slices=run.slices,
        verdict=run.verdict,
        facts=run.facts,
        details=[(key, value) for key, value in flatten(run.facts) if key not in _PLACED],
        corpus=str(run.facts.get("corpus") or run.data_report.get("corpus") or "not stated"),
        files=[PurePath(each["path"]).name for each in run.data_report.get("files", ())],
        counts=run.label_counts,
        sources=_telling_sources(run.source_counts),
        confusions=frequent_confusions(run.metrics),
        weakest=min(run.metrics.classes, key=lambda each: (not each.support, each.f1)),
        hardest=min(measured, key=lambda each: each.accuracy or 0.0, default=None),
        behaviour=run.behaviour,
        reasons=run.reasons,
        limits=limits,
    )
    write_atomically(path, card.encode("utf-8", errors="replace"))
    return path


def _telling_sources(counts: Mapping[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """The rows of each source in training, and in validation where it has several."""
    return {
        split: sources
        for split, sources in counts.items()
        if sources and (split == "train" or (split == "validation" and len(sources) > 1))
    }


def record_behaviour(model: Path, behaviour: Behaviour) -> list[Path]:
    """Keep what a model did with the written cases beside it: as data, and in its card.

    Args:
        model: A version's folder. Its card, if it has one, gets a new section in place of the old.
        behaviour: Of that model.

    Returns:
        The files written.

    Raises:
        UserError: They cannot be written to.
    """
    data, card = model / "assets.extra" / FILE, model / "README.md"
    write_atomically(data, behaviour.to_json().encode())
    if not card.is_file():
        return [data]
    section = render("behaviour.md.j2", behaviour=behaviour)
    before = _BEHAVIOUR_SECTION.sub("", card.read_text(encoding="utf-8"))
    body, limits, rest = before.partition(_LIMITS)
    write_atomically(card, f"{body}{section}{limits}{rest}".encode())
    return [data, card]
