"""The page's own style. Colors come from the theme, so that dark and light both fit."""

from __future__ import annotations

CSS = """
.gradio-container { max-width: 1400px !important; }
.unnoise-state { margin: .3rem 0; }
progress { width: 100%; height: .7rem; appearance: none; border: none; border-radius: .35rem; overflow: hidden; }
progress::-webkit-progress-bar { background: var(--border-color-primary); }
progress::-webkit-progress-value { background: var(--color-accent); }
progress::-moz-progress-bar { background: var(--color-accent); }
.unnoise-bad, .unnoise-good { border-left: .3rem solid; padding: .4rem .8rem; margin: .4rem 0; }
.unnoise-bad { border-color: #d33; }
.unnoise-good { border-color: #2a7; }
.unnoise-table, .unnoise-table tr, .unnoise-table th, .unnoise-table td { border: none !important; }
.unnoise-table th { text-align: left; font-weight: 600; padding: .15rem 1rem .15rem 0; vertical-align: top; }
.unnoise-table td { padding: .15rem 0; }
.unnoise-report { max-width: 100%; background: white; }
.unnoise-link { display: inline-block; padding: .5rem 1rem; margin: .2rem .4rem .2rem 0; border-radius: .4rem;
  background: var(--button-primary-background-fill); color: var(--button-primary-text-color) !important; text-decoration: none; }
.unnoise-link:focus-visible { outline: .2rem solid var(--color-accent); outline-offset: .15rem; }
.unnoise-slider img, .unnoise-removed img { image-rendering: pixelated; }
.unnoise-head p { margin: 0; }
"""
