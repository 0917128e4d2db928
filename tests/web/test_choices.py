"""The command line that the page shows does what the page does."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.cli import app
from unnoise.errors import UsageError
from unnoise.models import shipped
from unnoise.web.choices import Choices

COMMAND: Any = typer.main.get_command(app).commands["denoise"]  # type: ignore[attr-defined]
HUNDREDTHS = st.integers(0, 100).map(lambda n: n / 100)
CHOICES = st.builds(
    Choices,
    model=st.sampled_from(shipped.names()),
    strength=HUNDREDTHS,
    detail=st.none() | HUNDREDTHS,
    refine=st.none() | st.booleans(),
    ensemble=st.none() | st.booleans(),
    report=st.booleans(),
)


@settings(max_examples=40)
@given(CHOICES, st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(lambda text: f"{text}.png"))
def test_the_command_line_says_the_same(choices: Choices, name: str) -> None:
    words = shlex.split(choices.command_line(name))
    assert words[:2] == ["unnoise", "denoise"]
    given_there = COMMAND.make_context("denoise", words[2:]).params
    assert [str(path).removeprefix("./") for path in given_there["pictures"]] == [name]
    fields = Choices.model_fields
    assert {field: given_there[field] for field in fields} == choices.model_dump()


def test_visitors_name_no_files_of_the_server() -> None:
    with pytest.raises(UsageError, match="There is no model '/etc/passwd'; choose one of"):
        Choices(model="/etc/passwd").check_model()
