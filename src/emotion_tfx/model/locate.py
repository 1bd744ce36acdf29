"""Where models are: what the user's runs pushed, or else what comes with the package."""

from __future__ import annotations

from pathlib import Path

from emotion_tfx.config import Settings
from emotion_tfx.errors import UserError

#: Facts about the training, in the ``assets.extra`` of a version.
FACTS = "training.json"


def versions(base: Path) -> list[Path]:
    """The folders in ``base`` that are named by a number and hold a SavedModel, the newest last."""
    numbered = [folder for folder in base.glob("[0-9]*") if folder.name.isdecimal()]
    complete = [folder for folder in numbered if (folder / "saved_model.pb").is_file()]
    return sorted(complete, key=lambda folder: int(folder.name))


def newest_version(base: Path) -> Path | None:
    """The last of :func:`versions`."""
    found = versions(base)
    return found[-1] if found else None


def shipped_base() -> Path:
    """The folder of the model that comes with the package, in a checkout or installed."""
    installed = Path(__file__).parents[1] / "_bundled" / "models" / "emotion"
    checkout = Path(__file__).parents[3] / "models" / "emotion"
    return installed if installed.is_dir() else checkout


def default_base(settings: Settings | None = None) -> Path:
    """The folder of versions to use when none is named.

    That of the last push from the user's own or the real data, or else the shipped one. Models
    trained on the bundled sample are never it.

    Raises:
        UserError: There is neither.
    """
    settings = settings or Settings.load()
    for base in (settings.paths(sample=False).serving_model, shipped_base()):
        if newest_version(base):
            return base
    raise UserError(
        "There is no model yet",
        "Train one with `emotion train --data FILE.csv`, or name one with --model DIR.",
    )


def default_model(settings: Settings | None = None) -> Path:
    """The newest version in :func:`default_base`."""
    version = newest_version(default_base(settings))
    assert version is not None  # default_base only gives folders that hold one
    return version
