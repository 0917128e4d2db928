"""The page: what lies where, and which event calls what. `visit` does the work."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when it is imported: it would call home
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import gradio as gr

from unnoise.errors import UnnoiseError
from unnoise.models import shipped
from unnoise.web import fragments, view
from unnoise.web.choices import Choices
from unnoise.web.jobs import Jobs
from unnoise.web.samples import SAMPLES
from unnoise.web.visit import Previews, Visit

TICK_SECONDS = 0.3
"""Between two looks at a job's progress."""
ANSWER_SECONDS = 0.5
"""After so long the page says that a view is being made, and each time again how many come before."""
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""Of every event: programs use the HTTP API."""
READING = f"() => {fragments.note('The picture is being read.')!r}"
"""JavaScript that answers before the server does."""
WIDE = 2
"""Width of the pictures' column in units of the other one."""


def build_page(jobs: Jobs, previews: Previews) -> gr.Blocks:
    """The page of a server."""
    visits: dict[str, Visit] = {}

    def visit(request: gr.Request) -> Visit:
        key = request.session_hash or ""
        if key not in visits:
            visits[key] = Visit(jobs, previews, f"page:{key}")
        return visits[key]

    def leave(request: gr.Request) -> None:
        if gone := visits.pop(request.session_hash or "", None):
            gone.clear()

    with gr.Blocks(title="unnoise", analytics_enabled=False, delete_cache=(60, jobs.limits.keep_seconds)) as page:
        gr.Markdown(
            "# unnoise\nTakes noise out of photographs and scientific images. Your pictures stay on this machine and are "
            "deleted when you close the page. [For programs: the HTTP API](/api)",
            elem_classes="unnoise-head",
        )
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                files = gr.File(
                    label="Drop pictures here, or press to choose", file_count="multiple", height=150, elem_id="files"
                )
                with gr.Row():
                    samples = [gr.Button(f"Sample: {name}", size="sm", elem_id=f"sample-{name}") for name in SAMPLES]
                chosen = gr.Dropdown([], label="Picture", interactive=True, elem_id="chosen", visible=False)
                model = gr.Dropdown(shipped.names(), value="default", label="Model", elem_id="model", interactive=True)
                strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", elem_id="strength", interactive=True)
                with gr.Accordion("More choices", open=False):
                    own_detail = gr.Checkbox(False, label="Choose how much removed detail is put back", elem_id="own-detail")
                    detail = gr.Slider(0, 1, value=0.5, step=0.05, label="Detail", interactive=True)
                    refine = gr.Radio(["as the model says", "yes", "no"], value="as the model says", label="Refine (R³)")
                    ensemble = gr.Checkbox(False, label="Average over eight flips and turns (eight times slower)")
                judged = gr.Checkbox(False, label="Judge the result (takes longer)", elem_id="judge")
                every = gr.Checkbox(False, label="All pictures", visible=False, elem_id="every")
                with gr.Row():
                    start = gr.Button("Denoise", variant="primary", elem_id="start")
                    stop = gr.Button("Cancel", variant="stop", elem_id="stop")
                state = gr.HTML(fragments.note("Drop a picture, or choose a sample."), elem_id="state")
                downloads = gr.HTML(fragments.links(None, []), elem_id="downloads")
                delete = gr.Button("Delete my pictures", size="sm", elem_id="delete")
            with gr.Column(scale=WIDE, min_width=300):
                zoom = gr.Radio([view.WHOLE, *view.SIDES], value="100 %", label="Show", elem_id="zoom")
                slider = gr.ImageSlider(
                    label="Noisy | restored", type="filepath", elem_id="slider", elem_classes="unnoise-slider", max_height=700,
                    interactive=False, buttons=["fullscreen"],
                )  # fmt: skip
                said = gr.HTML("", elem_id="said")
                with gr.Tabs():
                    with gr.Tab("Place"):
                        whole = gr.Image(
                            label="Press where to look",
                            interactive=False,
                            buttons=[],
                            elem_id="whole",
                            type="filepath",
                            height=330,
                        )
                        with gr.Row():
                            across = gr.Slider(0, 100, value=50, step=1, label="Across, %", elem_id="across", interactive=True)
                            down = gr.Slider(0, 100, value=50, step=1, label="Down, %", elem_id="down", interactive=True)
                    with gr.Tab("What was removed"):
                        removed = gr.Image(
                            label="Four times as strong; structure in it is lost detail",
                            interactive=False, elem_classes="unnoise-removed", type="filepath", elem_id="removed", buttons=[],
                        )  # fmt: skip
                    with gr.Tab("Noise"):
                        noise = gr.HTML(fragments.note("What noise a picture has is told here."), elem_id="noise")
                    with gr.Tab("Verdict"):
                        verdict = gr.HTML(fragments.verdict(None), elem_id="verdict")
                    with gr.Tab("Command line"):
                        command = gr.Textbox(
                            label="The same on the command line", interactive=False, buttons=["copy"], elem_id="command"
                        )

        choice_inputs = [model, strength, own_detail, detail, refine, ensemble, judged]
        look_inputs = [*choice_inputs, across, down, zoom]
        look_outputs = [slider, removed, said, command, verdict, downloads]
        picture_outputs = [chosen, every, whole, state, zoom]

        def choices_of(
            model: str, strength: float, own: bool, detail: float, refine: str, ensemble: bool, judged: bool
        ) -> Choices:
            return Choices(
                model=model, strength=strength, detail=detail if own else None, ensemble=ensemble or None, report=judged,
                refine={"yes": True, "no": False}.get(refine),
            )  # fmt: skip

        async def look(request: gr.Request, *values: Any) -> AsyncIterator[list[Any]]:
            here = visit(request)
            chosen_now = choices_of(*values[:7])
            asked = here.current  # it may be deleted while its view is being made
            if asked is None:
                yield [None, None, "", "", fragments.verdict(None), fragments.links(None, [])]
                return
            begun, ahead = previews.begin(partial(here.show, chosen_now, values[7] / 100, values[8] / 100, values[9]))
            made = asyncio.wrap_future(begun)
            while not (await asyncio.wait({made}, timeout=ANSWER_SECONDS))[0]:
                yield [gr.update(), gr.update(), fragments.being_made(asked, ahead()), *[gr.update()] * 3]
            try:
                (before, after, taken), sentence = await made
                job = here.job()
            except UnnoiseError as error:
                yield [None, None, fragments.error(str(error)), "", fragments.verdict(None), fragments.links(None, [])]
                return
            yield [
                (str(before), str(after)), str(taken), fragments.note(sentence), chosen_now.command_line(job.name),
                fragments.verdict(job), fragments.links(job, list(here.jobs.values())),
            ]  # fmt: skip

        def pictures(here: Visit, sentence: str) -> list[Any]:
            job = here.current
            shown = None if job is None else str(_write_overview(here))
            several = len(here.jobs) > 1
            return [
                gr.update(choices=here.names, value=job.id if job else None, visible=several),
                gr.update(visible=several, value=several),
                shown,
                sentence or fragments.note(f"{job.name} is here." if job else "Drop a picture, or choose a sample."),
                gr.update() if job else gr.update(value="100 %"),
            ]

        def take(request: gr.Request, uploaded: list[str] | None) -> list[Any]:
            refused = visit(request).take([(Path(file).name, Path(file)) for file in uploaded or []])
            return [None, *pictures(visit(request), "".join(map(fragments.error, refused)))]

        def take_sample(name: str) -> Any:
            def taken(request: gr.Request) -> list[Any]:
                visit(request).take_sample(name)
                return pictures(visit(request), "")

            return taken

        def choose(request: gr.Request, id: str | None) -> Any:
            visit(request).choose(id)
            return pictures(visit(request), "")[2]

        def tell_noise(request: gr.Request) -> str:
            here = visit(request)
            try:
                return here.noise() if here.current else fragments.note("What noise a picture has is told here.")
            except UnnoiseError as error:  # it was deleted meanwhile
                return fragments.error(str(error))

        async def run(request: gr.Request, every: bool, *values: Any) -> AsyncIterator[Any]:
            here = visit(request)
            try:
                asked = await asyncio.to_thread(here.submit, choices_of(*values), all_pictures=every)
            except UnnoiseError as error:
                yield fragments.error(str(error)), gr.update()
                return
            while not all(job.state.is_ended for job in asked):
                waiting = [jobs.ahead(job) for job in asked if not job.state.is_ended]
                for job in asked:
                    jobs.get(job.id)  # it is in use
                yield fragments.progress(asked, min(waiting, default=0)), gr.update()
                await asyncio.sleep(TICK_SECONDS)
            done_whole = not every and view.is_done(asked[0])
            yield fragments.progress(asked, 0), view.WHOLE if done_whole else gr.update()

        def stop_all(request: gr.Request) -> str:
            visit(request).cancel()
            return fragments.note("Cancelled. What is finished can be downloaded.")

        def clear(request: gr.Request) -> list[Any]:
            visit(request).clear()
            return pictures(visit(request), fragments.note("Your pictures are deleted."))

        def press(request: gr.Request, event: gr.SelectData) -> list[Any]:
            here = visit(request)
            if here.current is None:
                return [gr.update(), gr.update(), gr.update()]
            height, width = here.seen().pixels.shape[:2]
            x, y = event.index
            return [round(100 * x / width), round(100 * y / height), "100 %"]

        looking: dict[str, Any] = {
            "fn": look, "inputs": look_inputs, "outputs": look_outputs, "trigger_mode": "always_last",
            "concurrency_limit": None, **PRIVATE,
        }  # fmt: skip
        at_once: dict[str, Any] = {"fn": None, "js": READING, "outputs": [state], **PRIVATE}  # the server may be busy
        files.upload(**at_once)
        noticing: dict[str, Any] = {"fn": tell_noise, "outputs": [noise], **PRIVATE}  # last: it takes a second
        files.upload(take, [files], [files, *picture_outputs], **PRIVATE).then(**looking).then(**noticing)
        for name, button in zip(SAMPLES, samples, strict=True):
            button.click(**at_once)
            button.click(take_sample(name), None, picture_outputs, **PRIVATE).then(**looking).then(**noticing)
        chosen.input(choose, [chosen], [whole], **PRIVATE).then(**looking).then(**noticing)
        for changed in (model, refine, ensemble, zoom, own_detail, judged):
            changed.change(**looking)
        for released in (strength, detail, across, down):
            released.release(**looking)
        whole.select(press, None, [across, down, zoom], **PRIVATE).then(**looking)
        start.click(run, [every, *choice_inputs], [state, zoom], concurrency_limit=None, **PRIVATE).then(**looking)
        stop.click(stop_all, None, [state], **PRIVATE)
        delete.click(clear, None, picture_outputs, **PRIVATE).then(**looking).then(**noticing)
        page.unload(leave)
    return page.queue(max_size=jobs.limits.waiting_jobs, api_open=False)


def _write_overview(here: Visit) -> Path:
    """The current picture, made smaller, as a file that only this visitor's page names."""
    job = here.job()
    path = job.folder / "overview.png"
    if not path.exists():
        view.write_png(path, here.seen().pixels)
    return path
