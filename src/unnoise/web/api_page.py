"""The page that documents the HTTP API. It is one file without scripts, so that it can be read offline."""

from __future__ import annotations

import html

from unnoise.web.choices import Choices
from unnoise.web.limits import WebLimits

ABOUT = {
    "name": "The name of the file; its suffix says the format.",
    "model": "The name of a model that ships.",
    "strength": "0 leaves the picture as it is, 1 removes all that the model calls noise.",
    "detail": "0 to 1: how much of the detail that was removed with the noise is put back.",
    "refine": "true or false: a second pass, R³.",
    "ensemble": "true or false: the average over eight flips and turns.",
    "report": "true: judge the result too. This takes as long as eight restorations of a megapixel.",
}
ROUTES = (
    ("POST /api/v1/jobs?name=NAME&amp;…", "Send a picture: the body is the file. Answers with the job."),
    ("GET /api/v1/jobs/ID?wait=SECONDS", "Where the job stands. With <code>wait</code>, it answers when the job has ended."),
    ("GET /api/v1/jobs/ID/result", "The restored file, byte for byte what the command line writes."),
    ("GET /api/v1/jobs/ID/report", "The judgement as a picture, if it was asked for; <code>/report.json</code>: as numbers."),
    ("GET /api/v1/jobs/ID/noise", "What <code>unnoise inspect --json</code> tells of the picture."),
    ("DELETE /api/v1/jobs/ID", "Cancel the job, and delete its files."),
    ("GET /api/v1/zip?job=ID&amp;job=ID", "Several results in one zip file."),
    ("GET /api/v1/models", "The models that ship."),
)
FACTS = (
    ("id", "Secret: who knows it may see the picture."),
    ("state", "new, waiting, running, done, failed or cancelled."),
    ("ahead", "How many pictures come before it."),
    ("share, seconds_left", "How much is done, 0 to 1, and the estimated time."),
    ("error", "If it failed: what was wrong, and what to do."),
    ("verdict, sentence", "If it was judged: what to think of the result."),
    ("command", "The command line that does the same."),
)
CURL = """curl --data-binary @photo.jpg 'http://127.0.0.1:7860/api/v1/jobs?name=photo.jpg&model=fast'
curl 'http://127.0.0.1:7860/api/v1/jobs/ID?wait=30'
curl -o photo_denoised.jpg http://127.0.0.1:7860/api/v1/jobs/ID/result
curl -X DELETE http://127.0.0.1:7860/api/v1/jobs/ID"""
PYTHON = '''import json
import urllib.parse
import urllib.request

SERVER = "http://127.0.0.1:7860/api/v1"


def ask(method, path, body=None):
    request = urllib.request.Request(SERVER + path, body, {"Content-Type": "application/octet-stream"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def denoise(name, picture, **choices):
    """The bytes of a picture file → those of the result."""
    job = json.loads(ask("POST", "/jobs?" + urllib.parse.urlencode({"name": name, **choices}), picture))
    while job["state"] in ("waiting", "running"):
        job = json.loads(ask("GET", f"/jobs/{job['id']}?wait=30"))
    if job["error"]:
        raise RuntimeError(job["error"])
    result = ask("GET", f"/jobs/{job['id']}/result")
    ask("DELETE", f"/jobs/{job['id']}")
    return result'''
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 0 auto; padding: 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8886; }
pre { padding: .8rem; overflow-x: auto; background: #8882; border-radius: .4rem; }
"""


def page(limits: WebLimits) -> str:
    """The page as HTML."""
    defaults = Choices().model_dump()
    parameters = [(name, about, _shown(defaults[name]) if name in defaults else "needed") for name, about in ABOUT.items()]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>unnoise: the HTTP API</title><style>{STYLE}</style></head><body>
<h1>The HTTP API of unnoise</h1>
<p><a href="/">To the page</a></p>
<p>A program sends a picture and gets a job. It asks for the job until that is done, and fetches the result. Answers are
JSON; an error is <code>{{"error": "…"}}</code>, one sentence.</p>
<h2>Requests</h2>
{_table(("request", "what it does"), [(f"<code>{route}</code>", about) for route, about in ROUTES])}
<h2>Parameters of a job</h2>
{_table(("name", "meaning", "default"), [(f"<code>{n}</code>", a, f"<code>{d}</code>") for n, a, d in parameters])}
<h2>What is told of a job</h2>
{_table(("field", "meaning"), [(f"<code>{name}</code>", about) for name, about in FACTS])}
<h2>Errors</h2>
<p>400: the request is wrong. 401: the password is missing; the user is <code>unnoise</code>. 403: another server's page
sent it. 404: there is no such job, or it has no result yet. 413: the file is too large. 422: the file cannot be read.
429: too many pictures wait.</p>
<h2>Limits</h2>
<p>A file may have {limits.upload_megabytes} MB, and a picture {limits.megapixels} megapixels. {limits.visitor_jobs} pictures
of one address are kept. All files of a job are deleted {limits.keep_seconds // 60} minutes after it was last asked for.</p>
<h2>With curl</h2>
<pre>{html.escape(CURL)}</pre>
<h2>With Python</h2>
<pre>{html.escape(PYTHON)}</pre>
</body></html>"""


def _shown(value: object) -> str:
    return "as the model says" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
