"""Pieces of HTML that the page shows: progress, the noise report, the verdict, links."""

from __future__ import annotations

import html
from collections.abc import Sequence

from unnoise.noise.report import NoiseReport
from unnoise.noise.stack_report import StackReport
from unnoise.web.api import PREFIX
from unnoise.web.job import Job, State

GOOD, BAD = "unnoise-good", "unnoise-bad"


def error(sentence: str) -> str:
    """A sentence about what went wrong. Screen readers say it at once."""
    return f'<p class="{BAD}" role="alert">{html.escape(sentence)}</p>'


def note(sentence: str) -> str:
    """A plain sentence."""
    return f'<p role="status">{html.escape(sentence)}</p>'


def being_made(job: Job, ahead: int) -> str:
    """What is said while a view is not there yet."""
    others = f"; {ahead} of other visitors {'come' if ahead > 1 else 'comes'} before" if ahead else ""
    return note(f"A view of {job.name} is being made{others}.")


def progress(jobs: Sequence[Job], ahead: int) -> str:
    """A bar over all pictures of a visitor, with the time left, and a line for each failure."""
    ended = [job for job in jobs if job.state.is_ended]
    running = [job for job in jobs if job.state is State.RUNNING]
    share = sum(1.0 if job.state.is_ended else job.share for job in jobs) / max(1, len(jobs))
    if len(ended) == len(jobs):
        said = _ended(jobs)
    elif running:
        left = running[0].seconds_left
        if left is None:
            said = f"{running[0].name}: begun"
        else:
            said = f"{running[0].name}: {share:.0%} of all, {in_short(left * (1 + _waiting_share(jobs, running[0])))} left"
        if running[0].choices.report and running[0].share >= 1:
            said = f"{running[0].name}: restored; the result is being judged"
    else:
        said = f"Waiting: {ahead} picture{'s' * (ahead != 1)} of others or yours come before."
    bar = f'<progress max="1" value="{share:.4f}" aria-label="progress"></progress>'
    failures = "".join(error(job.error) for job in jobs if job.error)
    notes = "".join(note(sentence) for job in jobs for sentence in job.warnings)
    return f'{bar}<p class="unnoise-state" role="status">{html.escape(said)}</p>{failures}{notes}'


def _waiting_share(jobs: Sequence[Job], running: Job) -> float:
    """How many pictures of the visitor come after the running one, for each that is left of it."""
    waiting = sum(job.state is State.WAITING for job in jobs)
    return waiting / max(1 - running.share, 1e-3)


def _ended(jobs: Sequence[Job]) -> str:
    counts = {state: sum(job.state is state for job in jobs) for state in (State.DONE, State.FAILED, State.CANCELLED)}
    told = [f"{count} {state.value}" for state, count in counts.items() if count]
    seconds = sum((job.ended or 0) - (job.began or job.ended or 0) for job in jobs)
    return f"{', '.join(told)}, {in_short(seconds)}." if told else "Nothing to do."


def in_short(seconds: float) -> str:
    """A length of time.

    >>> in_short(0.4), in_short(42), in_short(150)
    ('less than 1 s', '42 s', '2 min 30 s')
    """
    if seconds < 1:
        return "less than 1 s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def noise_table(found: NoiseReport | StackReport, name: str) -> str:
    """The main facts of a noise report."""
    report = found.middle() if isinstance(found, StackReport) else found
    rows = [("Picture", f"{name}, {report.width} × {report.height} pixels"), ("Noise level", report.level_text())]
    if report.autocorrelation is not None:
        rows.append(("Correlation at 1, 2 pixels", f"{report.lag(1):z.2f}, {report.lag(2):z.2f}"))
    rows.append(("JPEG's grid", f"found, score {report.blocking:.2f}" if report.blocks_found else "not found"))
    if report.advice and report.advice.model:
        rows.append(("Model that suits it", report.advice.model))
    said = [*(report.advice.reasons if report.advice else []), *report.notes]
    body = "".join(f"<tr><th scope='row'>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows)
    return f'<table class="unnoise-table">{body}</table>' + "".join(f"<p>{html.escape(sentence)}</p>" for sentence in said)


def verdict(job: Job | None) -> str:
    """What to think of a result, and the picture of its report."""
    if job is None or job.state is not State.DONE:
        return note("The verdict comes with the result.")
    if job.report is None:
        return note("Tick “Judge the result” and denoise again to get a verdict without a clean picture.")
    kind = BAD if job.report.verdict.is_harm else GOOD
    picture = f'<a href="{_url(job)}/report" target="_blank"><img class="unnoise-report" src="{_url(job)}/report" alt="The report"></a>'
    return f'<p class="{kind}" role="status">{html.escape(job.report.sentence())}</p>{picture}'


def links(job: Job | None, jobs: Sequence[Job]) -> str:
    """Links to the result, to its report, and to all results in one file."""
    done = [each for each in jobs if each.state is State.DONE]
    if not done:
        return note("The result can be downloaded here when it is done.")
    made = []
    if job is not None and job.state is State.DONE:
        made.append((f"{_url(job)}/result", f"Download {job.target.name}"))
        if job.report:
            made.append((f"{_url(job)}/report.json", "Report as JSON"))
    if len(done) > 1:
        query = "&amp;".join(f"job={each.id}" for each in done)
        made.append((f"{PREFIX}/zip?{query}", f"Download all {len(done)} as zip"))
    return "".join(f'<a class="unnoise-link" href="{url}" download>{html.escape(text)}</a>' for url, text in made)


def _url(job: Job) -> str:
    return f"{PREFIX}/jobs/{job.id}"
