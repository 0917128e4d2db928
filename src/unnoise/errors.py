"""Errors for users. The message of each is one sentence: what was wrong, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class UnnoiseError(Exception):
    """A correct call failed, for instance because a file is damaged or the disk is full. The command line exits with 1.

    >>> UnnoiseError.exit_status
    1
    """

    exit_status = 1


class UsageError(UnnoiseError, ValueError):
    """The call was wrong: an unknown name, a missing file, a value out of range. The command line exits with 2.

    >>> issubclass(UsageError, ValueError), UsageError.exit_status
    (True, 2)
    """

    exit_status = 2


class UnnoiseWarning(UserWarning):
    """The result has a limit that the user should know. The command line prints the warning as one sentence.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.warn("The picture has eleven values.", UnnoiseWarning)
    >>> [str(each.message) for each in caught]
    ['The picture has eleven values.']
    """


def explain_validation(error: ValidationError, owner: str, *, known: Iterable[str] = (), kind: str = "field") -> str:
    """Express pydantic's first complaint as one sentence.

    Args:
        error: what pydantic raised.
        owner: the subject of the sentence, for instance "The recipe ap-bsn".
        known: the names that exist, in case the complaint is about an unknown name.
        kind: the word for a part of the owner.

    Returns:
        A sentence that names the field, the value and what the field takes. A `UsageError` that a validator raised
        keeps its words.

    >>> from pydantic import BaseModel, ValidationError
    >>> class Lens(BaseModel, extra="forbid"):
    ...     blur: float
    >>> for fields in ({"blur": "much"}, {"blur": 1, "sharp": 2}, {}):
    ...     try:
    ...         Lens(**fields)
    ...     except ValidationError as error:
    ...         print(explain_validation(error, "The lens", known=Lens.model_fields))
    The lens's field 'blur' does not take 'much': input should be a valid number, unable to parse string as a number.
    The lens has no field 'sharp'; it has blur.
    The lens lacks the field 'blur'; add it.
    """
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        names = ", ".join(known)
        return f"{owner} has no {kind} '{place}'; {f'it has {names}' if names else 'remove it'}."
    if first["type"] in ("missing", "missing_argument"):
        return f"{owner} lacks the {kind} '{place}'; add it."
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, UsageError):  # a sentence of our own
        return f"{owner}, {kind} '{place}': {cause}" if place else str(cause)
    message = first["msg"].removeprefix("Value error, ")
    if not place:
        return message
    return f"{owner}'s {kind} '{place}' does not take {first['input']!r}: {message[:1].lower()}{message[1:]}."
