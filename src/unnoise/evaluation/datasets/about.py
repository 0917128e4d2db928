"""What is known of a published data set: where it is to be had, and what it holds when it is whole."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edition:
    """One form in which a data set is published, such as crops or whole pictures.

    >>> Edition("crops", pictures=100, shape=(512, 512, 3)).pictures
    100
    """

    name: str
    pictures: int
    """How many pictures the whole set has."""
    shape: tuple[int, ...] | None = None
    """The shape of each picture, (H, W, C) or (H, W); None: they differ."""
    noisy_psnr_db: float | None = None
    """The published mean PSNR of the noisy pictures by protocol *default*, in dB; None: unknown."""


@dataclass(frozen=True)
class About:
    """Facts about a published data set.

    >>> About("holds a.mat", "is to be had from its authors").editions
    ()
    """

    layout: str
    """What lies in the folder, as the end of the sentence "The folder …"."""
    where: str
    """Where the data is to be had, as the end of the sentence "The data …"."""
    editions: tuple[Edition, ...] = ()
    """The forms in which it is published. Empty: the set is the user's own."""
