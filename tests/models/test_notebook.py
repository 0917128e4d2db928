"""How models and reports show themselves in notebooks."""

from __future__ import annotations

import html

import numpy as np

import unnoise
from unnoise.models.card import Card
from unnoise.models.notebook import card_html


def test_a_model_shows_its_card() -> None:
    model = unnoise.load("fast")
    shown = model._repr_html_()
    assert html.escape(model.card.description) in shown
    assert all(html.escape(failure) in shown for failure in model.card.known_failures)
    assert html.escape(repr(model)) in shown


def test_empty_facts_are_left_out_and_text_is_escaped() -> None:
    shown = card_html("<Model>", Card(description="a < b", warning=""))
    assert "&lt;Model&gt;" in shown
    assert "a &lt; b" in shown
    assert "warning" not in shown
    assert "licence" not in shown


def test_a_models_plot_shows_that_noise_went() -> None:
    noisy, restored, removed = (axis.images[0].get_array() for axis in unnoise.load("fast").plot().axes)
    plain = np.s_[10:80, 5:40, 0]
    assert restored[plain].std() < 0.4 * noisy[plain].std()
    assert removed.shape == noisy.shape
