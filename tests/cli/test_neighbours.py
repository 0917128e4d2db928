"""`--neighbours` and `--group` on the command line."""

from __future__ import annotations

import pytest

from unnoise.cli.denoise import _grouped
from unnoise.errors import UsageError


@pytest.mark.parametrize(
    ("group", "neighbours", "options"),
    [
        ("1", None, {"group": 1, "neighbours": 0}),
        ("3", 2, {"group": 3, "neighbours": 2}),
        ("T", None, {"along": "T", "neighbours": 2}),
        ("z", 1, {"along": "Z", "neighbours": 1}),
        ("T", 0, {"along": "T", "neighbours": 0}),
    ],
)
def test_a_group_is_of_channels_or_along_an_axis(group: str, neighbours: int | None, options: dict[str, object]) -> None:
    assert _grouped(group, neighbours) == options


@pytest.mark.parametrize("group", ["0", "-1", "TZ", "1.5", ""])
def test_other_groups_are_refused(group: str) -> None:
    with pytest.raises(UsageError, match="--group"):
        _grouped(group, None)
