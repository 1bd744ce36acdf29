"""Which code this is: the version of the package, and the commit of a checkout."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path


def package_facts() -> dict[str, str | bool]:
    """The versions of the package and of what it stands on; in a checkout also the commit.

    ``changed`` tells whether files of the package differ from that commit.
    """
    # It tells its version by itself, as its package has another name where it is for CPUs alone.
    import tensorflow as tf

    facts: dict[str, str | bool] = {name: version(name) for name in ("emotion-tfx", "tfx")}
    facts["tensorflow"] = tf.__version__
    commit = _git("rev-parse", "HEAD")
    if commit:
        facts |= {"commit": commit, "changed": bool(_git("status", "--porcelain", "--", "."))}
    return facts


def _git(*arguments: str) -> str:
    """What git says in the package's folder; nothing where there is no git or no checkout of ours.

    A package installed into an environment inside another project's checkout is not that project.
    """
    package = Path(__file__).parents[1]
    try:
        tracked = ["git", "ls-files", "--error-unmatch", "__init__.py"]
        subprocess.run(tracked, cwd=package, capture_output=True, check=True, timeout=10)
        ended = subprocess.run(
            ["git", *arguments], cwd=package, capture_output=True, check=True, timeout=10, text=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ended.stdout.strip()
