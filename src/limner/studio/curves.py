"""Which curves of a log belong together, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Line = dict[str, Any]
Curve = dict[str, str]

# prefix of a key -> the name of the panel of its curves, and what a reader should know
MEASURES = {
    "distance": ("Distance of samples to training images", "falling; the doctor's Fréchet distance"),
    "diversity": ("Variety of samples", "1: as different from each other as real images are"),
    "cycle": ("Error after translation and back", "falling"),
}


WORDS = {"rec": "reconstruction", "kl": "KL divergence", "elbo": "ELBO", "distance": "distance of samples"}


def panels(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The panels of a log, the most telling first: title, note, curves, and a mark at a level.

    A curve has a `key` of the log's lines, a `name`, and a `kind`: real, generated, or other.  A panel with
    `band` shows its second curve as a band on top of its first.
    """
    keys = list(dict.fromkeys(key for line in lines for key, value in line.items() if is_number(value)))
    chosen = [likelihood(keys), *outputs(keys), *translation(keys), losses(keys)]
    chosen += [panel(*MEASURES[name], [f"doctor/{name}"], keys) for name in MEASURES]
    return [each for each in chosen if each is not None and each["curves"]]


def is_number(value: Any) -> bool:
    """Whether a value of a line is one number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def panel(
    title: str, note: str, wanted: Sequence[str], keys: Sequence[str], **more: Any
) -> dict[str, Any] | None:
    """A panel of the wanted curves that are there: those of a key, and those of its networks."""
    shown = [key for name in wanted for key in keys if key == name or key.startswith(f"{name}/")]
    if not shown:
        return None
    curves = [{"key": key, "name": readable(key), "kind": kind(key)} for key in dict.fromkeys(shown)]
    return {"title": title, "note": note, "curves": curves, "mark": None, "band": False} | more


def readable(key: str) -> str:
    """The name of a curve: 'held-out elbo', 'loss of D'."""
    name = key.removeprefix("doctor/").replace("held_out/", "held-out ")
    if "(" in name:  # D_x(G(z))
        return name
    first, _, network = name.partition("/")
    if network and network != "main":
        return f"{first} of {network}"
    last = first.replace("_", " ").rpartition(" ")
    return " ".join(filter(None, (last[0], WORDS.get(last[2], last[2]))))


def kind(key: str) -> str:
    """Whether a curve is of real images, of generated ones, or of neither."""
    if key.endswith("(x)") or "d_real" in key or key.startswith("loss/D"):
        return "real"
    return (
        "generated" if "G(z)" in key or "d_fake" in key or key.startswith(("loss/G", "loss/EG")) else "other"
    )


def likelihood(keys: Sequence[str]) -> dict[str, Any] | None:
    """Reconstruction and KL of a variational autoencoder, stacked: the band is the KL."""
    prefix = "held_out/" if "held_out/rec" in keys else ""
    if f"{prefix}rec" not in keys or f"{prefix}kl" not in keys:
        return None
    title = "Negative ELBO of " + ("held-out" if prefix else "training") + " images, in nats"
    note = "the line is the reconstruction, the band on top of it the KL divergence to the prior"
    return panel(title, note, [f"{prefix}rec", f"{prefix}kl"], keys, band=True)


def outputs(keys: Sequence[str]) -> list[dict[str, Any] | None]:
    """What discriminators say of real and of generated images; .5 is marked where these are probabilities."""
    names = [key for key in keys if "(x)" in key or "G(z)" in key]
    if any(key.startswith("doctor/d_real") for key in keys):
        note = "probabilities; both are .5 where D cannot tell real from generated"
        return [panel("D(x) and D(G(z))", note, names or ["doctor/d_real", "doctor/d_fake"], keys, mark=0.5)]
    note = "outputs of D, no probabilities: the loss gives them no scale"
    return [panel("D(x) and D(G(z))", note, names, keys)]


def translation(keys: Sequence[str]) -> list[dict[str, Any] | None]:
    """The terms of a translator's loss: adversarial, cycle and identity."""
    if not any(key.startswith("cycle/") for key in keys):
        return []
    wanted = ["loss/G", "cycle/G", "identity/G"]
    return [panel("Adversarial, cycle and identity loss", "each with its weight", wanted, keys)]


def losses(keys: Sequence[str]) -> dict[str, Any] | None:
    """The losses of all optimisers."""
    names = [key for key in keys if key.startswith("loss/")]
    note = "means of a tick"
    if len(names) > 1:
        note = "a game: neither loss alone says how good the images are"
    return panel("Losses" if len(names) > 1 else "Loss", note, names, keys)
