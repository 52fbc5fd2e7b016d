"""Arguments of the verbs, with their help."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

optional = partial(arg, help_behavior_hint="")  # the help says itself what the default is

# -- what a verb works on -------------------------------------------------------------------------------
RunName = Annotated[str, Positional, arg(metavar="RUN", help="a run's folder, or its name under runs/")]
RunNames = Annotated[
    tuple[str, ...], Positional, optional(metavar="RUN...", help="runs' folders, or their names under runs/")
]
ModelName = Annotated[
    str, Positional, arg(metavar="MODEL", help="a model's name (limner models lists them), or module:Class")
]
Preset = Annotated[str | None, optional(metavar="NAME", help="the model's options to start from")]
RecipeName = Annotated[
    str | None, Positional, optional(metavar="RECIPE", help="its name; without one, all are listed")
]
Sources = Annotated[
    tuple[str, ...], arg(metavar="D", help="a data set, or two domains: A=D B=D, as for limner train")
]
LabelFile = Annotated[
    Path | None, optional(metavar="FILE", help="the labels, an .npz or .npy, where D holds images alone")
]
ImageSet = Annotated[
    tuple[str, ...],
    optional(
        metavar="[D]",
        help="a data set, a folder, a zip, an .npz, or image files; default: images of the run's own data",
    ),
]
ImageFiles = Annotated[
    tuple[Path, ...],
    optional(metavar="[IMAGES]", help="image files of any size, or folders of them; default: test images"),
]
Image = Annotated[str, Positional, arg(metavar="IMAGE", help="an image file, or the number of a test image")]
StartImage = Annotated[
    str | None,
    optional(
        metavar="[IMAGE]", help="an image file, or the number of a test image, to start from; default: 0"
    ),
]
TwoImages = Annotated[
    tuple[str, ...],
    optional(
        metavar="[IMAGE IMAGE]",
        help="two image files or numbers of test images; default: pairs drawn at random",
    ),
]

# -- how a verb samples and decodes ---------------------------------------------------------------------
SamplingOptions = Annotated[
    str,
    optional(
        name="set", metavar="NAME=VALUE,...", help="options of sampling that the model has, such as prior"
    ),
]
DecodingOptions = Annotated[
    str,
    optional(
        name="set", metavar="NAME=VALUE,...", help="options of decoding that the model has, such as steps"
    ),
]
Truncation = Annotated[
    float | None,
    optional(
        metavar="PSI",
        help="how far styles keep from their mean, of a StyleGAN: 0.7 has fewer odd images than 1, and less "
        "variety; 0 is one image; default: 1",
    ),
]
Moves = Annotated[
    str,
    optional(
        metavar="NAME=X,...",
        help="move codes X standard deviations along a direction that limner directions --name stored",
    ),
]
Layers = Annotated[
    str,
    arg(metavar="LAYERS", help="the layers of a model with styles: coarse, middle, fine, all, or as 2-4"),
]
DirectionName = Annotated[
    str | None,
    optional(
        metavar="NAME",
        help="show the direction of that name; --number, --classes, --seeds or --images stores it first",
    ),
]
Number = Annotated[int | None, optional(metavar="N", help="store direction N of those without a name")]
TwoClasses = Annotated[
    tuple[str, str] | None,
    optional(metavar="A B", help="store the direction from images of class A to those of class B"),
]
TwoSeeds = Annotated[
    tuple[str, str] | None,
    optional(metavar="A B", help="store that from the images of seeds A to those of seeds B: 1,5 2,7-9"),
]
TwoFolders = Annotated[
    tuple[str, str] | None,
    optional(metavar="A B", help="store that from the images of folder A to those of folder B"),
]
GroupMethod = Annotated[
    Literal["centroid", "probe"],
    arg(help="how to store one: from mean to mean, or the normal of a logistic regression"),
]
Prior = Annotated[
    str | None,
    optional(
        metavar="NAME",
        help="the density that codes are drawn from, one of the model's priors: normal is N(0, I); gaussian, "
        "full and gmm are fitted to the training codes (mean and deviation of each number, full covariance, "
        "mixture of Gaussians); default: the model's first",
    ),
]
Label = Annotated[
    str | None,
    optional(
        metavar="NAME",
        help="the class that codes are decoded as, for models that learn classes",
    ),
]
Labels = Annotated[
    str | None,
    optional(
        metavar="A,B,...",
        help="a column for each of these classes, or for 'all', with the same noise in every row; for models "
        "that learn classes",
    ),
]
EditLabels = Annotated[str, arg(metavar="A,B,...", help="the labels that the images are given, or 'all'")]
Codes = Annotated[
    Literal["flat", "channels"], arg(help="whole codes, or the channel means of a convolutional code")
]
Dimensions = Annotated[
    tuple[int, int] | None,
    optional(metavar="I J", help="latent variables to show; default: the two that change the images most"),
]
SearchedSpace = Annotated[
    Literal["z", "w", "w+"],
    arg(help="what is searched: the code z, or a StyleGAN's style: w for all layers, w+ for each"),
]
KnownCodes = Annotated[
    int, arg(metavar="N", help="known codes that are searched for too: how well the search works")
]
Starts = Annotated[
    int, arg(metavar="N", help="codes that a search starts from, the best of 1,024 samples for each image")
]

Sides = Annotated[
    tuple[int, ...], arg(metavar="H W", help="height and width of the images, or one number for both")
]
Channels = Annotated[int, arg(metavar="{1,3}", help="1 for grey, 3 for colour")]
Thumbnails = Annotated[bool, optional(help="the images themselves instead of points")]

Domain = Annotated[Literal["A", "B"], arg(help="the domain to translate to")]
FullSize = Annotated[
    bool, optional(help="translate files at their own size, not at the size of the training images")
]

# -- how much ---------------------------------------------------------------------------------------------
Count = Annotated[int, arg(metavar="N", help="number of images")]
SampleCount = Annotated[
    int | None, optional(metavar="N", help="number of images, 64; with --label of rows, 10")
]
ImageCount = Annotated[int | None, optional(metavar="N", help="number of images; default 16, or all files")]
InvertedCount = Annotated[int | None, optional(metavar="N", help="number of images; default 8, or all files")]
Steps = Annotated[int, arg(metavar="N", help="images per row")]
MeasuredImages = Annotated[
    int | None,
    optional(
        metavar="N", help="number of test images, and of samples; default 10000, quick 1000, or all there are"
    ),
]
LikelihoodCodes = Annotated[
    int | None, optional(metavar="K", help="codes per likelihood estimate; default 5000, quick 100")
]
LikelihoodImages = Annotated[
    int | None,
    optional(metavar="N", help="number of test images with a likelihood estimate; default 1000, quick 100"),
]
Scale = Annotated[float, arg(metavar="X", help="factor on the training images; 0.1 is fast and poor")]
Demonstration = Annotated[bool, optional(help="a tiny version on the bundled digits; not judged")]
Quick = Annotated[bool, optional(help="fewer images and no bootstrap: a first result in seconds")]

# -- measuring and ablation -------------------------------------------------------------------------------
Features = Annotated[
    Literal["inception"] | None,
    optional(metavar="{inception}", help="Inception's features, with --weights; default: the data set's own"),
]
Weights = Annotated[Path | None, optional(metavar="FILE", help="the weights of Inception")]
Against = Annotated[
    str | None,
    optional(
        metavar="D",
        help="a data set of other images, which the anomaly score should separate; default: a named set",
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
    int | None, optional(metavar="N", help="images that each run sees; default: the model's")
]
BaseSettings = Annotated[
    str, optional(name="set", metavar="NAME=VALUE,...", help="options of all runs, the base too")
]

# -- what a verb writes and prints --------------------------------------------------------------------
Seed = Annotated[int, arg(metavar="N", help="seed of everything drawn at random")]
SampleSeeds = Annotated[
    str,
    arg(
        metavar="N or N-M,...",
        help="seed of everything drawn at random; with several, as 1-64 or 1,5,9, one image of each",
    ),
]
ImageSeeds = Annotated[
    str, arg(metavar="N-M,...", help="seeds of images, as limner sample --seed draws them: 1,5,7-9")
]
MixedImages = Annotated[
    str,
    arg(metavar="IMAGES", help="seeds of images, as 1,5,7-9, and image files, whose styles are searched"),
]
Out = Annotated[
    Path | None,
    optional(metavar="FILE", help="the file to write or to replace; default: a new one in the run's folder"),
]
TranslationOut = Annotated[
    Path | None,
    optional(
        metavar="PATH",
        help="a picture of images, translations and the way back, or a folder for translated files; default: "
        "a new one in the run's folder",
    ),
]
EditOut = Annotated[
    Path | None,
    optional(
        metavar="PATH",
        help="a picture of all, or a folder for single images; default: a new picture in the run's folder",
    ),
]
TableOut = Annotated[
    Path | None,
    optional(
        metavar="FILE", help="an .npz or .csv to write or to replace; default: a new one in the run's folder"
    ),
]
CodesFile = Annotated[
    Path | None, optional(metavar="FILE", help="an .npz or .csv to write the codes to, or to replace")
]
Folder = Annotated[Path, arg(metavar="DIR", help="the folder to write to")]
ComparisonFolder = Annotated[
    Path | None, optional(metavar="DIR", help="the folder to write to; default: a new one, comparison")
]
RunsFolder = Annotated[
    Path | None,
    optional(metavar="DIR", help="the folder of the runs; default: ablations/MODEL-DATA"),
]
ReportFolder = Annotated[
    Path | None, optional(metavar="DIR", help="the folder to write to; default: reproduced/RECIPE")
]
Json = Annotated[bool, optional(name="json", help="print one JSON object instead of lines")]
Markdown = Annotated[bool, optional(help="print the table of the README")]
Quiet = Annotated[bool, optional(help="print nothing but errors")]
