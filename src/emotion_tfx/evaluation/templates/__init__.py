"""The pages for people, as Jinja templates beside this file."""

from __future__ import annotations

import json
from html import escape
from typing import Any


def render(template: str, **context: Any) -> str:  # noqa: ANN401
    """Fill in a template of this folder.

    In an HTML template every value is escaped. Besides Jinja's own filters there are ``figure``
    (three decimals), ``count`` (thousands apart), ``percent``, ``json`` and, for values in a
    Markdown table, ``cell``; a dash stands for None.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__name__, ""),
        autoescape=template.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "figure": lambda value: "–" if value is None else f"{value:.3f}",
        "count": lambda value: "–" if value is None else f"{value:,}",
        "percent": lambda value: "–" if value is None else f"{value:.1%}",
        "json": lambda value: json.dumps(value, ensure_ascii=False),
        "cell": lambda value: escape(" ".join(str(value).split()), quote=False).replace("|", r"\|"),
    }
    return environment.get_template(template).render(**context)
