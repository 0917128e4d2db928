"""Plain YAML reads what recipes need, as PyYAML does, and refuses what can take all memory or time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from unnoise import recipes
from unnoise.errors import UnnoiseError, UsageError
from unnoise.files.limits import YAML_BYTES, YAML_DEPTH, YAML_NODES
from unnoise.files.plain_yaml import load_plain

LEAVES = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=9)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


@given(VALUES)
def test_what_pyyaml_writes_is_read_back(value: Any) -> None:
    assert load_plain(yaml.dump(value, Dumper=_Plain)) == value


class _Plain(yaml.SafeDumper):
    """Writes no aliases, which it would for equal objects."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@pytest.mark.parametrize("path", sorted(Path(recipes.__file__).parent.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_read_as_pyyaml_reads_them(path: Path) -> None:
    assert load_plain(path.read_text()) == yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x",
        "a: &x 1",
        "!!python/object/apply:os.getcwd []",
        "!!timestamp 2026-11-30",
        "!!set {a, b}",
        "[" * (YAML_DEPTH + 1) + "]" * (YAML_DEPTH + 1),
        "[" * 100_000,
        "{a: " * 5_000,
        "[" + "1," * (YAML_NODES.usual + 1) + "]",
        "a: [",
        "? {a: 1}\n: 2",
        "\0",
    ],
    ids=range(12),
)
def test_what_is_not_plain_is_an_error(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        load_plain(text)


def test_odd_numbers_and_dates_are_text() -> None:
    for text in (
        "1:20:30",
        "1:20.5",
        "2026-11-30",
        "2026-99-99",
        "9" * 5000,
        "0o17",
        "017",
        "0x1f",
        "=",
        "<<",
        "1" + ":1" * 9999,
    ):
        assert load_plain(text) == text
    assert load_plain("1e999") == "1e999"  # as in PyYAML, a fraction needs a dot
    assert load_plain("1.0e+999") == math.inf


def test_a_recipe_and_an_option_of_that_kind_are_one_sentence(tmp_path: Path) -> None:
    from unnoise.cli.fields import assignments

    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ndenoiser: &a dbsn\nscheme: *a\n")
    with pytest.raises(UsageError, match=r"mine\.yaml cannot be read as a recipe in YAML: it has an anchor, an alias or a tag"):
        recipes.load(path)
    path.write_bytes(b"#" * (YAML_BYTES.usual + 1))
    with pytest.raises(UnnoiseError, match=r"mine\.yaml has 1,000,001 bytes, more than the limit"):
        recipes.load(path)
    for value in ("[" * 9999, "!!int x", "&a 1"):
        with pytest.raises(UsageError, match=r"is no plain YAML") as error:
            assignments([f"training.batch={value}"], "training.batch=4")
        assert len(str(error.value)) < 250
    for value in ("2026-13-45", "9" * 5000, "1" + ":59" * 2000):
        with pytest.raises(UsageError, match=r"training\.batch"):
            recipes.load("ap-bsn", assignments([f"training.batch={value}"], "training.batch=4"))


def test_variables_raise_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    values = "[" + "1," * YAML_NODES.usual + "]"
    long = "#" * YAML_BYTES.usual + "\n3"
    with pytest.raises(yaml.YAMLError, match="more than 20,000 values; if that is right, set UNNOISE_MAX_YAML_VALUES"):
        load_plain(values)
    with pytest.raises(UnnoiseError, match="set UNNOISE_MAX_YAML_BYTES=1000002"):
        load_plain(long)
    monkeypatch.setenv("UNNOISE_MAX_YAML_VALUES", "30000")
    monkeypatch.setenv("UNNOISE_MAX_YAML_BYTES", "2000000")
    assert len(load_plain(values)) == YAML_NODES.usual
    assert load_plain(long) == 3
