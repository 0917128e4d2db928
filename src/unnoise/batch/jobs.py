"""Jobs: which picture becomes which result, and where that is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unnoise.quality.report import report_files


@dataclass(frozen=True)
class Job:
    """One picture and the paths of its results.

    >>> [path.name for path in Job(Path("a.png"), Path("out/a.png"), Path("out/a.report")).results]
    ['a.png', 'a.report.png', 'a.report.json']
    """

    source: Path
    target: Path
    report: Path | None = None
    """Path of its report without suffixes; None: no report is wanted."""

    @property
    def results(self) -> list[Path]:
        """All files that the job writes."""
        return [self.target, *([] if self.report is None else report_files(self.report))]


@dataclass(frozen=True)
class Plan:
    """All jobs, and where their results are recorded.

    >>> len(Plan([Job(Path("a.png"), Path("b.png"))]).jobs)
    1
    """

    jobs: list[Job]
    folder: Path | None = None
    """The folder that holds all results; None: they lie beside their pictures, or in a file that was named."""
    beside: bool = False
    """Whether results lie beside their pictures and are recorded there. This is so for a folder or several pictures
    without `-o`."""

    @property
    def is_recorded(self) -> bool:
        """Whether manifests record the results, so that a second call continues where the first one ended."""
        return self.beside or self.folder is not None

    def record(self, job: Job) -> Path | None:
        """The folder whose manifest records a job; None: no manifest does."""
        return job.target.parent if self.beside else self.folder
