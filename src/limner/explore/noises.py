"""What only noise changes: images of the same styles with other noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from limner.data import to_float
from limner.errors import LimnerError
from limner.explore.abilities import require_ability
from limner.explore.picture import Picture, check_count
from limner.explore.styles import check_truncation, seed_styles, style_pixels
from limner.figures import colour_map, sheet
from limner.metrics import variance_shares
from limner.models.abilities import HasStyles
from limner.training import Run

UNUSED = "noise changes no pixel: its layers have none, or have not learned to use it"
MEASURED = 100  # draws of noise for each deviation, as in the paper's figure


def noise(
    run: Run,
    seeds: Sequence[int] = range(5),
    noises: int = 6,
    *,
    label: str | None = None,
    truncation: float | None = None,
    seed: int = 0,
) -> Picture:
    """A row for each seed: its image with several noises, without noise, and the deviation of each pixel.

    After Karras et al. 2019 (arXiv 1812.04948, figures 4 and 5).  The deviation is over 100 draws of noise,
    drawn with `seed`, on the [0, 1] scale, averaged over channels.  The shares of variance by noise and by
    the styles of the seeds, of all pixels together, stand in the title.
    data: "pixels" (seeds, noises, C, H, W), "plain" without noise, "deviation" (seeds, H, W), "share".
    """
    model = require_ability(run, HasStyles, "noise")
    if len(seeds) < 2 or noises < 1:
        raise LimnerError(f"two seeds and one noise at least are needed, not {len(seeds)} and {noises}")
    check_count(len(seeds) * max(noises + 2, MEASURED), run.shape)
    psi = check_truncation(truncation)
    w, names = seed_styles(run, model, seeds, label, psi)
    draws = style_pixels(model, w.repeat_interleave(MEASURED, 0), "random", seed).unflatten(0, (len(w), -1))
    plain = style_pixels(model, w, "off")
    values = (to_float(draws) + 1) / 2
    deviation, shares = values.std(1).mean(1), variance_shares(values)
    share = 0.0 if shares.within != shares.within else shares.within  # NaN: no two pixels differ
    title = (
        f"{run.name}: the same styles with other noise\n"
        f"deviation of each pixel over {MEASURED} noises: black 0, white {deviation.max():.2g} of [0, 1]\n"
        f"variance of pixels: {share:.1%} by noise, {1 - share:.1%} by the styles of {len(w)} seeds"
    )
    heads = [*(f"noise {i + 1}" for i in range(noises)), "none", "deviation"]
    maps = colour_map(deviation, max(float(deviation.max()), 1 / 255))
    images = torch.cat([draws[:, :noises], plain[:, None]], 1).expand(-1, -1, 3, -1, -1)
    rows, labels = torch.cat([images, maps[:, None]], 1), [f"seed {name}" for name in names]
    picture = sheet(list(rows), title=title, row_labels=labels, column_labels=heads)
    data = {"pixels": draws[:, :noises], "plain": plain, "deviation": deviation.numpy(), "share": share}
    return Picture(picture, data | {"notes": [] if bool(deviation.any()) else [UNUSED]})
