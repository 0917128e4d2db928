"""A table from the names that users write to what stands behind them, imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Generic, TypeVar, cast

from unnoise.errors import UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one kind.

    Args:
        kind: what a name stands for, as errors call it.
        package: the dotted package that holds the modules.
        table: name → "module:Attribute". Strings, not classes, so that listing the names imports nothing heavy.
    """

    def __init__(self, kind: str, package: str, table: Mapping[str, str]) -> None:
        self.kind = kind
        self.package = package
        self.table = table

    def names(self) -> list[str]:
        """All names, in the table's order."""
        return list(self.table)

    def lookup(self, name: str) -> T:
        """What stands behind a name. Raises `UsageError` for an unknown one."""
        if name not in self.table:
            raise UsageError(f"There is no {self.kind} named '{name}'; choose one of {', '.join(self.table)}.")
        module, attribute = self.table[name].split(":")
        return cast(T, getattr(import_module(f"{self.package}.{module}"), attribute))

    def name_of(self, found: object) -> str:
        """The name behind which `found` stands. Raises `KeyError` when it stands behind none."""
        target = f"{found.__module__.removeprefix(self.package + '.')}:{getattr(found, '__qualname__', '')}"
        for name, path in self.table.items():
            if path == target:
                return name
        raise KeyError(target)
