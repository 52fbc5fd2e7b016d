"""Rules for models that give images other labels; see `rules`."""

from __future__ import annotations

from limner.doctor.rules import MIN_IMAGES_RANGE, History

SEPARATE = 0.95  # of the prior's codes, ranked above those of images by D_z
APART = 0.3  # from the prior: Kolmogorov-Smirnov; codes that a healthy encoder gives stay below 0.2
ALIKE = 0.05  # of the difference of two images, which is left of it when both get one label


def loses_identity(h: History) -> str | None:
    """Images with another label are alike, whichever images they come from."""
    if h.lines[-1]["images"] < MIN_IMAGES_RANGE or not h.holds("identity", lambda v: v < ALIKE, 3):
        return None
    if h.grows("identity"):
        return None
    return f"two images that get the same label keep {h.now('identity'):.1%} of their difference"


def leaves_prior(h: History) -> str | None:
    """D_z tells the codes of images from those of the prior, or does not see how different they are."""
    if h.lines[-1]["images"] < MIN_IMAGES_RANGE:
        return None
    ranks, distance = h.last("overlap/D_z", 3), h.now("prior_distance")
    separate = len(ranks) == 3 and min(ranks) > SEPARATE and ranks[-1] > ranks[0] - 0.02
    if not separate and not h.holds("prior_distance", lambda v: v > APART, 3):
        return None
    rank = h.now("overlap/D_z")
    side = "the encoder does not follow it" if rank > 0.75 else "it does not see the difference"
    return (
        f"codes of images are {distance:.2f} from the prior (Kolmogorov-Smirnov, mean over variables), and "
        f"D_z ranks {rank:.0%} of the prior's codes above them: {side}"
    )
