"""What visitors of the page may send, and how long their files are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass

from unnoise.files.limits import PIXELS

MEGABYTE = 10**6
MEGAPIXEL = 10**6


@dataclass(frozen=True)
class WebLimits:
    """The limits of one server.

    >>> WebLimits(upload_megabytes=1).upload_bytes
    1000000
    """

    upload_megabytes: int = 500
    """Of one file. A camera raw file has up to 150."""
    megapixels: int = 400
    """Of one picture, checked before it is decoded."""
    visitor_jobs: int = 100
    """Pictures of one visitor that are kept at one time."""
    waiting_jobs: int = 200
    """Pictures of all visitors that wait at one time."""
    keep_seconds: int = 3600
    """Files are deleted this long after they were last used, even if the visitor's page stays open."""

    @property
    def upload_bytes(self) -> int:
        """The most bytes of one file."""
        return self.upload_megabytes * MEGABYTE

    def apply_to_decoders(self) -> None:
        """Make every decoder of this process refuse pictures of more pixels, before memory is taken for them. A lower
        limit that is set already stays."""
        most = self.megapixels * MEGAPIXEL
        os.environ[PIXELS.variable] = str(min(most, PIXELS.value()))
