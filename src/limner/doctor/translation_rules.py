"""Rules for models that translate between two domains; see `rules`."""

from __future__ import annotations

from limner.doctor.rules import History, Rule

INVERTED = -0.2  # correlation of light and dark areas; it is near 0 where these have nothing in common
MIN_PAIRS = 2_000  # pairs of images before which a translation means nothing


def each_domain(rule: Rule) -> Rule:
    """The rule, applied to each domain that is translated to, in runs that saw enough pairs."""

    def apply(h: History) -> str | None:
        if h.lines[-1]["images"] < MIN_PAIRS:
            return None
        names = [name.removeprefix("change/") for name in h.signals("change/")]
        evidence = [text for name in names if (text := rule(History(h.lines, name))) is not None]
        return "; ".join(evidence) or None

    return apply


@each_domain
def too_strong(h: History) -> str | None:
    """D's loss, halved as the paper's, is near 0: no patch of a translation looks real to it."""
    if not h.holds(f"loss/D_{h.D}", lambda v: v < 0.02, 2):
        return None
    return f"the loss of D_{h.D} is {h.now(f'loss/D_{h.D}'):.3f}, and 0.25 is that of a D that cannot tell"


@each_domain
def inverted(h: History) -> str | None:
    """Light areas become dark, and dark ones light."""
    if not h.holds("luminance", lambda v: v < INVERTED, 2):
        return None
    return f"light and dark areas correlate by {h.now('luminance'):.2f} before and after translation to {h.D}"


@each_domain
def nothing_changes(h: History) -> str | None:
    """Translations are the images as they were, and as far from the other domain."""
    if not h.holds("change", lambda v: v < 0.05, 3):
        return None
    if not h.now("distance") > 0.9 * h.now("untranslated"):
        return None
    return (
        f"translation to {h.D} changes an image by {h.now('change'):.1%}, and leaves it "
        f"{h.now('distance') / h.now('untranslated'):.0%} as far from {h.D} as it was"
    )


@each_domain
def hides(h: History) -> str | None:
    """A little noise on the translation spoils the way back."""
    if not h.holds("hidden", lambda v: v > 3, 2):
        return None
    return (
        f"noise of 2 % on a translation to {h.D} makes the error of the way back {h.now('hidden'):.1f} times"
    )
