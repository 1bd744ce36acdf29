from __future__ import annotations

import subprocess
import sys

HEAVY = {"jinja2", "matplotlib", "pydantic", "rich", "sklearn", "tensorflow", "tfx"}


def test_importing_the_room_loads_nothing_heavy():
    code = f"import sys, emotion_tfx.evaluation; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
