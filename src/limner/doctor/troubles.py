"""What can go wrong in training: the rule that finds each trouble, its meaning, and what to change.

What a discriminator's outputs show is a warning, never a reason to stop: D may make no error while the
samples still improve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from limner.doctor import edit_rules, rules, translation_rules
from limner.doctor.rules import Rule
from limner.models.base import Model
from limner.training.config import TrainConfig


@dataclass(frozen=True)
class Remedy:
    """Something to change.

    `options`: every option of the model or of training that `text` names, with the value that it names, or
    None.  `sampling`: the options of sampling that it names.
    """

    text: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sampling: tuple[str, ...] = ()

    def available(self, model: type[Model]) -> bool:
        """Whether the model and its training have all options that the text names, and accept the values."""
        fields = TrainConfig.model_fields | model.Options.model_fields
        if not all(name in fields for name in self.options):
            return False
        values = {name: value for name, value in self.options.items() if value is not None}
        return all(accepts(fields[name].annotation, value) for name, value in values.items()) and all(
            name in model.sampling_options() for name in self.sampling
        )


def accepts(annotation: Any, value: Any) -> bool:
    """Whether a value is of an option's type."""
    try:
        TypeAdapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True


@dataclass(frozen=True)
class Trouble:
    """What can go wrong: `rule` returns evidence or None; `severe` where training on as it is cannot help."""

    rule: Rule
    meaning: str
    remedies: tuple[Remedy, ...]
    severe: bool = False


LOWER_LR = Remedy("a lower --lr", {"lr": None})
LOWER_D_LR = Remedy("a lower --d-lr", {"d_lr": None})
LR_DROPS = Remedy("--lr-drops", {"lr_drops": None})
R1 = Remedy("--penalty r1", {"penalty": "r1"})

TROUBLES: dict[str, Trouble] = {
    "discriminator overpowers": Trouble(
        rules.overpowers,
        "D is too good: it separates real from generated images almost without error, so the generator "
        "learns little from it",
        (
            LOWER_D_LR,
            Remedy("--spectral-norm", {"spectral_norm": True}),
            R1,
            Remedy("--augment translation", {"augment": ("translation",)}),
        ),
    ),
    "discriminator too weak": Trouble(
        rules.too_weak,
        "D is too bad: it cannot separate real from generated images, so it misleads the generator",
        (
            Remedy("a higher --d-lr", {"d_lr": None}),
            Remedy("--critic-steps 2", {"critic_steps": 2}),
            Remedy("a lower --dropout", {"dropout": None}),
            Remedy("no --flip-labels", {"flip_labels": None}),
        ),
    ),
    "generator gradient vanishes": Trouble(
        rules.gradient_vanishes,
        "the generator's loss saturates: D learned faster, and where D is sure the gradient is close to zero",
        (
            Remedy("--loss non-saturating", {"loss": "non-saturating"}),
            Remedy("--loss hinge", {"loss": "hinge"}),
            Remedy("--loss relativistic", {"loss": "relativistic"}),
            LOWER_D_LR,
        ),
    ),
    "mode collapse": Trouble(
        rules.collapses,
        "the generator makes few kinds of images, each of which D accepts for a while",
        (
            Remedy("--loss relativistic (with its R1 and R2)", {"loss": "relativistic"}),
            LOWER_LR,
            Remedy("--batch-norm generator", {"batch_norm": "generator"}),
            Remedy("a larger --latent-dim", {"latent_dim": None}),
        ),
        severe=True,
    ),
    "oscillation without progress": Trouble(
        rules.oscillates,
        "gradient descent seeks a minimum, not an equilibrium: generator and discriminator go in circles",
        (
            Remedy(
                "--ema-half-life 100000 with --averaged generator",
                {"ema_half_life": 100_000, "averaged": "generator"},
            ),
            Remedy("a lower --beta1", {"beta1": None}),
            R1,
            LR_DROPS,
        ),
    ),
    "discriminator overfits": Trouble(
        rules.overfits,
        "D has memorised the training images: other real images look generated to it",
        (
            Remedy("--augment colour translation cutout", {"augment": ("colour", "translation", "cutout")}),
            Remedy("more data"),
            Remedy("a smaller D"),
        ),
    ),
    "labels ignored": Trouble(
        rules.labels_ignored,
        "samples are not of the class that was requested: the class has no influence on the image",
        (
            Remedy("labels that match the images (limner data D shows some)"),
            Remedy("--condition projection", {"condition": "projection"}),
            Remedy("a larger --image", {"image": None}),
        ),
        severe=True,
    ),
    "posterior collapse": Trouble(
        rules.posterior_collapses,
        "the decoder ignores the code: q(z|x) has become the prior, and every code gives the same image",
        (
            Remedy("a lower --beta", {"beta": None}),
            Remedy("a smaller --sigma with --variance fixed", {"sigma": None, "variance": "fixed"}),
            Remedy("a weaker decoder"),
        ),
        severe=True,
    ),
    "prior mismatch": Trouble(
        rules.prior_mismatch,
        "reconstructions are good, samples are bad: images have other codes than the prior draws",
        (
            Remedy("another --prior in limner sample", sampling=("prior",)),
            Remedy("a larger --beta", {"beta": None}),
            Remedy("a smaller --latent-dim", {"latent_dim": None}),
        ),
    ),
    "identity lost": Trouble(
        edit_rules.loses_identity,
        "images with another label no longer depend on the image: every face becomes the same face",
        (
            Remedy("a larger --cycle", {"cycle": None}),
            Remedy("a lower --image", {"image": None}),
            Remedy("a lower --confusion", {"confusion": None}),
        ),
        severe=True,
    ),
    "codes off the prior": Trouble(
        edit_rules.leaves_prior,
        "images have other codes than the prior draws, so samples are made of codes that no image has",
        (
            Remedy("a larger --prior", {"prior": None}),
            Remedy("--networks dcgan, which normalises codes", {"networks": "dcgan"}),
            Remedy("a lower --image", {"image": None}),
        ),
    ),
    "not finite": Trouble(
        rules.not_finite,
        "a loss or a weight is nan or infinite, and so is all that is computed from it",
        (
            LOWER_LR,
            Remedy("--clip 1", {"clip": 1}),
            Remedy("--precision fp32", {"precision": "fp32"}),
        ),
        severe=True,
    ),
    "dead configuration": Trouble(
        rules.dead,
        "the model learns nothing: a loss does not change, or the output cannot be like the data",
        (
            Remedy("--inputs centred with a tanh", {"inputs": "centred"}),
            Remedy("--inputs unit with a sigmoid", {"inputs": "unit"}),
            LOWER_LR,
            Remedy("another --seed", {"seed": None}),
        ),
        severe=True,
    ),
    "getting worse": Trouble(
        rules.gets_worse,
        "training is past its best: more training makes the samples worse",
        (
            Remedy("--on-trouble restore, which keeps the best weights", {"on_trouble": "restore"}),
            LOWER_LR,
            LR_DROPS,
            R1,
        ),
        severe=True,
    ),
    "discriminator too strong": Trouble(
        translation_rules.too_strong,
        "D tells translations from real images without effort, so the generator learns little from it",
        (
            Remedy("a smaller --d-width", {"d_width": None}),
            Remedy("fewer --d-layers", {"d_layers": None}),
            Remedy("--d-norm spectral", {"d_norm": "spectral"}),
        ),
    ),
    "colours inverted": Trouble(
        translation_rules.inverted,
        "translation exchanges light and dark, and so does the way back, so no loss is large; this is right "
        "only where one domain is the negative of the other",
        (
            Remedy("another --seed", {"seed": None}),
            Remedy("a larger --identity", {"identity": None}),
        ),
    ),
    "nothing translated": Trouble(
        translation_rules.nothing_changes,
        "the generators return the image as it is: the cycle and identity losses are then 0",
        (
            Remedy("a lower --cycle", {"cycle": None}),
            Remedy("a lower --identity", {"identity": None}),
            Remedy("a larger --d-width", {"d_width": None}),
        ),
    ),
    "hidden information": Trouble(
        translation_rules.hides,
        "the translation keeps the image in a faint pattern, from which the way back restores it",
        (
            Remedy("a lower --cycle", {"cycle": None}),
            Remedy("a smaller --width", {"width": None}),
        ),
    ),
}
