"""Each limit is documented with its variable and default."""

from __future__ import annotations

import re
from pathlib import Path

from unnoise.files import limits

PAGE = Path(__file__).parents[2] / "docs" / "limits.md"


def test_the_page_names_each_limit() -> None:
    rows = re.findall(r"^\| `(UNNOISE_MAX_\w+)` \| ([\d,]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    found = {variable: int(value.replace(",", "")) for variable, value in rows}
    assert found == {limit.variable: limit.usual for limit in vars(limits).values() if isinstance(limit, limits.Limit)}
