from __future__ import annotations

from ..command import REPOSITORY

#: Packages that hold schemas, see the Makefile.
SCHEMAS = REPOSITORY / ".venv" / ".schemas"
