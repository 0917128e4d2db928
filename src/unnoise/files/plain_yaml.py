"""Plain YAML: text, numbers, lists and mappings. It has no tags, anchors or aliases, and is bounded in depth and length.

An alias can stand for a list of aliases, so that a few lines become gigabytes. A number such as `1:20:30` has base 60.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from unnoise.files.limits import YAML_BYTES, YAML_DEPTH, YAML_DIGITS, YAML_NODES


class _PlainLoader(yaml.SafeLoader):
    """Reads whole numbers, fractions, true, false and null. All else is text."""


_NULL_AND_BOOL = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:bool")
_PlainLoader.yaml_implicit_resolvers = {
    first: kept
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (kept := [(tag, pattern) for tag, pattern in resolvers if tag in _NULL_AND_BOOL])
}
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(rf"[-+]?(?:0|[1-9][0-9_]{{0,{YAML_DIGITS - 1}}})\Z"), list("-+0123456789")
)
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        rf"(?:[-+]?(?:[0-9][0-9_]{{0,{YAML_DIGITS}}}\.[0-9_]{{0,99}}|\.[0-9][0-9_]{{0,99}})(?:[eE][-+]?[0-9]{{1,4}})?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
    list("-+0123456789."),
)


def load_plain(text: str) -> Any:
    """Read plain YAML.

    Raises:
        yaml.YAMLError: the text is no YAML, is not plain, has too many values or is too deeply nested.
        UnnoiseError: it is too long.

    >>> load_plain("{batch: 4, rate: 1.0e-4, size: [1_000, .5], when: 2026-11-30, base: 1:20}")
    {'batch': 4, 'rate': 0.0001, 'size': [1000, 0.5], 'when': '2026-11-30', 'base': '1:20'}
    >>> load_plain("[&a [1], *a]")
    Traceback (most recent call last):
    yaml.error.YAMLError: it has an anchor, an alias or a tag; write the values out
    """
    most_values = YAML_NODES.value()
    YAML_BYTES.check(len(text.encode("utf-8", "replace")), "The YAML")
    depth = nodes = 0
    for event in yaml.parse(text, _PlainLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise yaml.YAMLError("it has an anchor, an alias or a tag; write the values out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > YAML_DEPTH:
            raise yaml.YAMLError(f"it has more than {YAML_DEPTH} levels")
        if nodes > most_values:
            raise yaml.YAMLError(f"it has more than {most_values:,} values; if that is right, set {YAML_NODES.variable}")
    return yaml.load(text, _PlainLoader)
