"""Arguments of the verbs, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

# -- what a verb works on -------------------------------------------------------------------------------
RunName = Annotated[str, Positional, arg(metavar="RUN", help="a run's folder, or its name under runs/")]
RunNames = Annotated[
    tuple[str, ...],
    Positional,
    arg(metavar="RUN...", help="runs' folders, or their names under runs/", help_behavior_hint=""),
]
ModelName = Annotated[
    str, Positional, arg(metavar="MODEL", help="a model's name (limner models lists them), or module:Class")
]
Preset = Annotated[
    str | None, arg(metavar="NAME", help="the model's options to start from", help_behavior_hint="")
]
Data = Annotated[str, arg(metavar="D", help="a data set, as for limner train")]
ImageSet = Annotated[
    tuple[str, ...],
    arg(
        metavar="[D]",
        help="a data set, a folder, a zip, an .npz, or image files; default: images of the run's own data",
        help_behavior_hint="",
    ),
]
ImageFiles = Annotated[
    tuple[Path, ...],
    arg(
        metavar="[IMAGES]",
        help="image files of any size, or folders of them; default: test images",
        help_behavior_hint="",
    ),
]
Image = Annotated[str, Positional, arg(metavar="IMAGE", help="an image file, or the number of a test image")]
StartImage = Annotated[
    str | None,
    arg(
        metavar="[IMAGE]",
        help="an image file, or the number of a test image, to start from; default: 0",
        help_behavior_hint="",
    ),
]
TwoImages = Annotated[
    tuple[str, ...],
    arg(
        metavar="[IMAGE IMAGE]",
        help="two image files or numbers of test images; default: pairs drawn at random",
        help_behavior_hint="",
    ),
]

# -- how a verb samples and decodes ---------------------------------------------------------------------
SamplingOptions = Annotated[
    str,
    arg(
        name="set",
        metavar="NAME=VALUE,...",
        help="options of sampling that the model has, such as prior",
        help_behavior_hint="",
    ),
]
Prior = Annotated[
    str | None,
    arg(
        metavar="NAME",
        help="the density that codes are drawn from, one of the model's priors: normal is N(0, I); gaussian, "
        "full and gmm are fitted to the training codes (mean and deviation of each number, full covariance, "
        "mixture of Gaussians); default: the model's first",
        help_behavior_hint="",
    ),
]
Label = Annotated[
    str | None,
    arg(
        metavar="NAME",
        help="the class of the images, for models that learn classes; default: the model's choice",
        help_behavior_hint="",
    ),
]
Labels = Annotated[
    str | None,
    arg(
        metavar="A,B,...",
        help="a column for each of these classes, or for 'all', with the same noise in every row; for models "
        "that learn classes",
        help_behavior_hint="",
    ),
]
Codes = Annotated[
    Literal["flat", "channels"], arg(help="whole codes, or the channel means of a convolutional code")
]
Dimensions = Annotated[
    tuple[int, int] | None,
    arg(
        metavar="I J",
        help="latent variables to show; default: the two that change the images most",
        help_behavior_hint="",
    ),
]

# -- how much ---------------------------------------------------------------------------------------------
Count = Annotated[int, arg(metavar="N", help="number of images")]
SampleCount = Annotated[
    int | None,
    arg(
        metavar="N",
        help="number of images, 64; with --label of rows, 10",
        help_behavior_hint="",
    ),
]
ImageCount = Annotated[
    int | None,
    arg(metavar="N", help="number of images; default 16, or all files", help_behavior_hint=""),
]
Steps = Annotated[int, arg(metavar="N", help="images per row")]
MeasuredImages = Annotated[
    int | None,
    arg(
        metavar="N",
        help="number of test images, and of samples; default 10000, quick 1000, or all there are",
        help_behavior_hint="",
    ),
]
LikelihoodCodes = Annotated[
    int | None,
    arg(
        metavar="K",
        help="codes per likelihood estimate; default 5000, quick 100",
        help_behavior_hint="",
    ),
]
LikelihoodImages = Annotated[
    int | None,
    arg(
        metavar="N",
        help="number of test images with a likelihood estimate; default 1000, quick 100",
        help_behavior_hint="",
    ),
]
Scale = Annotated[float, arg(metavar="X", help="factor on the training images; 0.1 is fast and poor")]
Quick = Annotated[
    bool, arg(help="fewer images and no bootstrap: a first result in seconds", help_behavior_hint="")
]

# -- measuring and ablation -------------------------------------------------------------------------------
Features = Annotated[
    Literal["inception"] | None,
    arg(
        metavar="{inception}",
        help="Inception's features, with --weights; default: the data set's own",
        help_behavior_hint="",
    ),
]
Weights = Annotated[Path | None, arg(metavar="FILE", help="the weights of Inception", help_behavior_hint="")]
Against = Annotated[
    str | None,
    arg(
        metavar="D",
        help="a data set of other images, which the anomaly score should separate; default: a named set",
        help_behavior_hint="",
    ),
]
Vary = Annotated[
    str,
    arg(
        metavar="NAME[=VALUE],...",
        help="options to change, one at a time; widths as hidden=128x256; a name alone: the option "
        "switched on, or the other of its two values",
    ),
]
Seeds = Annotated[int, arg(metavar="K", help="number of runs of each: seeds 0 to K - 1")]
RunLength = Annotated[
    int | None,
    arg(metavar="N", help="images that each run sees; default: the model's", help_behavior_hint=""),
]
BaseSettings = Annotated[
    str,
    arg(
        name="set",
        metavar="NAME=VALUE,...",
        help="options of all runs, also of the base",
        help_behavior_hint="",
    ),
]

# -- what a verb writes and prints --------------------------------------------------------------------
Seed = Annotated[int, arg(metavar="N", help="seed of everything drawn at random")]
Out = Annotated[
    Path | None,
    arg(metavar="FILE", help="the file to write; default: in the run's folder", help_behavior_hint=""),
]
TableOut = Annotated[
    Path | None,
    arg(
        metavar="FILE",
        help="an .npz or .csv; default: embed.npz in the run's folder",
        help_behavior_hint="",
    ),
]
Folder = Annotated[Path, arg(metavar="DIR", help="the folder to write to")]
Json = Annotated[bool, arg(name="json", help="print one JSON object instead of lines", help_behavior_hint="")]
Quiet = Annotated[bool, arg(help="print nothing but errors", help_behavior_hint="")]
