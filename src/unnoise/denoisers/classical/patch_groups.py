"""What WNNM and MCWNNM have in common: alike patches are restored together, again and again.

Each round adds a share of what was removed back to the estimate, groups its patches, restores each group, and averages
the patches at their places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.denoisers.classical.block_matching import blocks_of, match

AT_ONCE = 512
"""So many groups are restored at once."""
FEWER = 10
"""So many patches a group loses at each matching, as less noise is left."""
MATCHED_EVERY = 2
"""Rounds from one matching to the next."""

Solve = Callable[[Tensor, Tensor, int], Tensor]
"""From groups (G, d, n) of mean 0, the mean square of what was removed from each reference patch so far (G, C), and the
round, to the restored groups."""


@dataclass(frozen=True)
class Rounds:
    """The parameters of a whole restoration.

    >>> Rounds(side=6, count=70, rounds=8, step=2).feedback
    0.1
    """

    side: int
    """Of the patches, in pixels."""
    count: int
    """Patches in a group of the first round, and `FEWER` more."""
    rounds: int
    step: int
    """Distance of reference patches in pixels."""
    feedback: float = 0.1
    """Share of what was removed that is added back before each round."""
    radius: int = 30
    """Of the search window, in pixels."""


def restore_groups(noisy: Tensor, settings: Rounds, solve: Solve) -> Tensor:
    """Restore a picture by its groups.

    Args:
        noisy: (C, H, W). Patches are matched in all channels together.
        settings: of the rounds.
        solve: restores groups; their d values are the patch of the first channel, then that of the next one.

    Returns:
        (C, H, W).

    >>> noisy = torch.rand(1, 20, 30, generator=torch.Generator().manual_seed(0))
    >>> same = restore_groups(noisy, Rounds(side=6, count=30, rounds=2, step=2), lambda groups, removed, round_: groups)
    >>> torch.allclose(same, noisy, atol=1e-5)
    True
    """
    channels, height, width = noisy.shape
    side, step = settings.side, settings.step
    rows, columns = (-(-max(length - side, 0) // step) + 1 for length in (height, width))
    bottom, right = (rows - 1) * step + side - height, (columns - 1) * step + side - width
    padded = F.pad(noisy, (0, right, 0, bottom), mode="replicate")  # references cover all pixels
    size = padded.shape[1] - side + 1, padded.shape[2] - side + 1
    before = _patches(padded, side)  # (h·w, d)
    most = min(size[0], settings.radius + 1) * min(size[1], settings.radius + 1)  # in the window of a corner
    estimate, count = padded, settings.count
    reference = (torch.arange(rows)[:, None] * step * size[1] + torch.arange(columns) * step).flatten().to(noisy.device)
    index = torch.empty(0)
    for round_ in range(settings.rounds):
        estimate = estimate + settings.feedback * (padded - estimate)
        patches = _patches(estimate, side)
        if round_ % MATCHED_EVERY == 0:
            count -= FEWER
            taken = max(1, min(count, most))
            index = match(patches.reshape(*size, -1), 0, rows, columns, step, settings.radius, taken)[1]  # (R, n)
        removed = (before[reference] - patches[reference]).square().reshape(len(reference), channels, -1).mean(2)  # (R, C)
        total = torch.zeros_like(patches)
        times = patches.new_zeros(len(patches))
        for first in range(0, len(index), AT_ONCE):
            members = index[first : first + AT_ONCE]
            groups = patches[members].mT  # (G, d, n)
            mean = groups.mean(2, keepdim=True)
            restored = solve(groups - mean, removed[first : first + AT_ONCE], round_) + mean
            total.index_add_(0, members.flatten(), restored.mT.flatten(0, 1))
            times.index_add_(0, members.flatten(), times.new_ones(members.numel()))
        estimate = _put_back(total, padded.shape, side) / _put_back(
            times[:, None].expand(-1, side**2), (1, *padded.shape[1:]), side
        )
    return estimate[:, :height, :width]


def _patches(picture: Tensor, side: int) -> Tensor:
    """(C, H, W) → (h·w, C·side²), all patches."""
    return blocks_of(picture, side).permute(1, 2, 0, 3).flatten(2).flatten(0, 1)


def _put_back(patches: Tensor, shape: tuple[int, ...] | torch.Size, side: int) -> Tensor:
    """The sum of all patches at their places, (h·w, C·side²) → (C, H, W)."""
    return F.fold(patches.T[None], shape[1:], side)[0]
