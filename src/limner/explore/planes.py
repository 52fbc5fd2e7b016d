"""Images of places in the space of codes: a point, and steps along axes that are ranked by their effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from limner.data import to_uint8
from limner.errors import LimnerError
from limner.explore.abilities import require_continuous
from limner.explore.directions import (
    base_point,
    decode_points,
    measure_effect,
    move,
    rank_directions,
    sample_codes,
)
from limner.explore.interpolations import PAUSE, STEP, mean_code
from limner.explore.labels import DecodedClass, choose_class, class_names, is_conditional
from limner.explore.named_directions import (
    NamedDirection,
    check_name,
    choose_steps,
    measure_direction,
    read_directions,
    store_direction,
)
from limner.explore.picture import Animation
from limner.explore.places import GROUPS, MOST_AXES, Base, Grid, Groups, Place, Spot, Strip
from limner.explore.styles import choose_layers, group_layers, seed_styles
from limner.figures import choose_scale, enlarge
from limner.models.abilities import Encodes, HasStyles
from limner.models.style_layers import mix_styles
from limner.training import Run
from limner.training.codes import decode_codes, draw_codes

KEPT = 64  # points that are kept
SIDE = 256  # pixels, about, of an image in an animation


@dataclass(frozen=True)
class Axis:
    """A step (d,) of one standard deviation, its name, and the mean squared change of images by it.

    `key` names the axis in a place; of styles, those of `layers` move.
    """

    key: int | str
    name: str
    step: Tensor
    effect: float
    layers: tuple[int, ...] = ()


class Plane:
    """The places that a run's decoder can show, of a model with continuous codes."""

    def __init__(self, run: Run) -> None:
        self.run, self.model = run, require_continuous(run, "the page of codes")
        self.points: dict[str, Tensor] = {}
        self.groups: dict[str, NamedDirection] = {}
        self.notes: list[str] = []

    @property
    def bases(self) -> list[Base]:
        """Where a place may start."""
        return ["mean", "seed", "image"] if isinstance(self.model, Encodes) else ["mean", "seed"]

    @property
    def labels(self) -> list[str]:
        """The classes that a place may have; none for a model without classes."""
        return class_names(self.run) if is_conditional(self.run) else []

    @property
    def truncates(self) -> bool:
        """Whether a place may be truncated."""
        return isinstance(self.model, HasStyles)

    @property
    def mixes(self) -> list[str]:
        """The groups of layers that may have the styles of another seed; none for a model without styles."""
        if not isinstance(self.model, HasStyles):
            return []
        return [name for name, layers in group_layers(self.model.style_sizes).items() if layers]

    @cached_property
    def axes(self) -> list[Axis]:
        """Directions, and the variables of a short code, those of the largest effect first.

        Where the training images are gone there are no directions, and a note says why.
        """
        decoded_class = choose_class(self.run, None)
        axes: list[Axis] = []
        try:
            ranked = rank_directions(self.run, "all", decoded_class, seed=0)
        except LimnerError as error:
            self.notes.append(f"no directions: {error}")
        else:
            pairs = zip(ranked.steps[:MOST_AXES], ranked.effect.tolist(), strict=False)
            axes = [
                Axis(i, f"direction {i + 1}", step, effect, ranked.layers)
                for i, (step, effect) in enumerate(pairs)
            ]
        axes += [] if isinstance(self.model, HasStyles) else self.variables()
        ranking = sorted(axes, key=lambda axis: -axis.effect)
        return [replace(axis, key=i) for i, axis in enumerate(ranking)]

    def variables(self) -> list[Axis]:
        """The variables of a code of at most MOST_AXES, those of the largest effect first."""
        if self.model.latent.dim > MOST_AXES:
            return []
        decoded_class = choose_class(self.run, None)
        steps = torch.diag(self.model.latent.prior().std)
        points = sample_codes(self.run, decoded_class, seed=0)[1]
        effect = measure_effect(self.model, points, steps, (), decoded_class)
        order = effect.argsort(descending=True).tolist()
        return [Axis(i, f"variable {i + 1}", steps[i], float(effect[i])) for i in order]

    @cached_property
    def codes(self) -> tuple[Tensor, Tensor]:
        """Codes (n, d) whose deviation is measured, and points on which effects are."""
        return sample_codes(self.run, DecodedClass(), seed=0)

    def named_axes(self) -> tuple[list[Axis], list[str]]:
        """The directions that are stored with the run, and notes on those that cannot be used."""
        axes: list[Axis] = []
        notes: list[str] = []
        try:
            names = list(read_directions(self.run))
        except LimnerError as error:
            return [], [str(error)]
        for name in names:
            try:
                axes.append(self.measure_axis(name))
            except LimnerError as error:
                notes.append(str(error))
        return axes, notes

    def measure_axis(self, key: str, groups: Groups | None = None) -> Axis:
        """A stored direction, or the axis between groups, with its effect."""
        step, layers = self.step(key, groups)
        effect = measure_effect(self.model, self.codes[1], step[None], layers, choose_class(self.run, None))
        return Axis(key, key, step, float(effect), layers)

    # -- groups -----------------------------------------------------------------------------------------
    def group_means(self, groups: Groups) -> tuple[Tensor, Tensor]:
        """The mean codes (d,) of a and of b; of styles that differ from layer to layer, their mean."""
        points = ([self.moved(spot) for spot in group] for group in (groups.a, groups.b))
        means = [torch.stack(group).mean(0) for group in points]
        a, b = (mean.mean(0) if mean.ndim == 2 else mean for mean in means)
        return a, b

    def group_direction(self, groups: Groups) -> NamedDirection:
        """From the mean of b to that of a, as `name_direction` has it; LimnerError where these are equal."""
        key = groups.model_dump_json()
        if key not in self.groups:
            a, b = self.group_means(groups)
            layers = tuple(range(len(self.model.style_sizes))) if isinstance(self.model, HasStyles) else ()
            while len(self.groups) >= KEPT:
                self.groups.pop(next(iter(self.groups)))
            self.groups[key] = measure_direction(self.run, b[None], a[None], self.codes[0], layers=layers)
        return self.groups[key]

    def group_distance(self, groups: Groups) -> float:
        """How far the means of two groups are apart, in steps of their axis."""
        a, b = self.group_means(groups)
        return float((a - b).norm() / torch.tensor(self.group_direction(groups).step).norm())

    def name_groups(self, name: str, groups: Groups) -> NamedDirection:
        """Store the axis between two groups with the run, as `name_direction` does."""
        check_name(self.run, name)
        description = f"centroid of places, {len(groups.b)} and {len(groups.a)} codes: too few to test it"
        direction = self.group_direction(groups).model_copy(update={"description": description})
        return store_direction(self.run, name, direction)

    # -- images -----------------------------------------------------------------------------------------
    def point(self, place: Spot) -> Tensor:
        """The code (d,), or the styles (layers, d), of a place before its moves."""
        if place.base == "code":
            return self.read_code(place)
        left_out = {"moves", "between"} | (set() if place.mixed else {"second"})
        key = place.model_dump_json(exclude=left_out)
        if key not in self.points:
            while len(self.points) >= KEPT:
                self.points.pop(next(iter(self.points)))
            self.points[key] = self._point(place)
        return self.points[key]

    def read_code(self, place: Spot) -> Tensor:
        """The code (d,) that a place gives; LimnerError where it has another length, and for styles."""
        choose_class(self.run, place.label)
        dim = self.model.latent.dim
        if isinstance(self.model, HasStyles) or len(place.code) != dim:
            expected = f"a code of {self.run.name} has {dim} numbers, and may not be a style's"
            raise LimnerError(f"{expected}: a place has {len(place.code)}")
        return torch.tensor(place.code)

    def _point(self, place: Spot) -> Tensor:
        if place.base not in self.bases:
            raise LimnerError(f"{self.run.name} has no encoder, so a place starts at a seed or the mean")
        choose_class(self.run, label := place.label)  # refuses a class that the model does not know
        if isinstance(self.model, HasStyles):
            return self.styles(self.model, place)
        if place.mixed:
            raise LimnerError(f"{self.run.name} has no styles, so none can be mixed")
        if place.base == "mean":
            return mean_code(self.run)
        if place.base == "seed" and isinstance(self.model, Encodes):
            return draw_codes(self.model.latent, 1, place.number)[0]
        image = place.number if place.base == "image" else None
        return base_point(self.run, image, label, place.number)[0][0]

    def styles(self, model: HasStyles, place: Spot) -> Tensor:
        """The styles (layers, d) of a place: those of its seed, in the layers `mixed` those of the second."""
        truncation = 0.0 if place.base == "mean" else place.truncation
        w = seed_styles(self.run, model, [place.number], place.label, truncation)[0][0].cpu()
        if place.mixed:
            other = seed_styles(self.run, model, [place.second], place.label, place.truncation)[0][0].cpu()
            layers = [i for name in place.mixed for i in choose_layers(self.run, model, name).indices]
            mixed = torch.tensor([i in layers for i in range(len(w))])
            w = mix_styles(w[None], other[None], mixed)[0]
        return w

    def moved(self, place: Spot) -> Tensor:
        """The code or the styles of a place."""
        point = self.point(place)
        for key, units in place.moves:
            step, layers = self.step(key, place.between if isinstance(place, Place) else None)
            point = move(point[None], step * units, layers)[0]
        return point

    def step(self, key: int | str, groups: Groups | None = None) -> tuple[Tensor, tuple[int, ...]]:
        """The step (d,) of an axis, and the layers whose styles it moves; LimnerError where there is none."""
        if key == GROUPS:
            if groups is None:
                raise LimnerError(f"the axis {GROUPS} needs two groups of places")
            return torch.tensor(self.group_direction(groups).step), self.group_direction(groups).layers
        if isinstance(key, str):
            return choose_steps(self.run, {key: 1.0})[0]
        if key >= len(self.axes):
            raise LimnerError(f"there is no axis {key}: {self.run.name} has 0 to {len(self.axes) - 1}")
        return self.axes[key].step, self.axes[key].layers

    def pixels(self, places: Sequence[Place]) -> Tensor:
        """The images (n, C, H, W) uint8 of places."""
        points = torch.stack([self.moved(place) for place in places])
        return self.decode(points, [place.label for place in places])

    def decode(self, points: Tensor, labels: Sequence[str | None]) -> Tensor:
        """The images (n, C, H, W) uint8 of codes (n, d) or styles (n, layers, d)."""
        classes = [choose_class(self.run, label) for label in labels]
        if points.ndim == 3 or classes[0].index is None:
            return decode_points(self.model, points, classes[0])
        y = torch.tensor([decoded.index or 0 for decoded in classes])
        return to_uint8(decode_codes(self.model, points, y))

    def strip(self, place: Place, strip: Strip) -> Tensor:
        """Images (steps, C, H, W) uint8 of a place along an axis, from -span to span about the axis' zero."""
        units = torch.linspace(-strip.span, strip.span, strip.steps).tolist()
        return self.pixels([move_place(place, {strip.axis: u}) for u in units])

    def grid(self, place: Place, grid: Grid) -> Tensor:
        """Images (side, side, C, H, W) uint8 of a place along two axes, the top row first."""
        units = torch.linspace(-grid.span, grid.span, grid.side).tolist()
        places = [move_place(place, {grid.up: v, grid.across: u}) for v in units[::-1] for u in units]
        return self.pixels(places).unflatten(0, (grid.side, grid.side))

    def path(self, places: Sequence[Place], steps: int) -> Tensor:
        """Images (n, C, H, W) uint8 on straight lines from place to place, `steps` from each to the next.

        Codes, or styles, are interpolated; where the class changes, it does so halfway.
        """
        if not places:
            raise LimnerError("a path needs a place at least")
        points, labels = [self.moved(place) for place in places], [place.label for place in places]
        between: list[Tensor] = []
        names: list[str | None] = []
        for i in range(len(points) - 1):
            for t in torch.linspace(0, 1, steps + 1)[:-1].tolist():
                between.append(torch.lerp(points[i], points[i + 1], t))
                names.append(labels[i if t < 0.5 else i + 1])
        return self.decode(torch.stack([*between, points[-1]]), [*names, labels[-1]])

    def animation(self, pixels: Tensor) -> Animation:
        """There and back through the images (n, C, H, W) of a path, enlarged."""
        scale = choose_scale(pixels.shape[2], pixels.shape[3], SIDE)
        frames = [enlarge(image, scale) for image in pixels]
        pauses = [PAUSE, *[STEP] * (len(frames) - 2), PAUSE]
        return Animation([*frames, *frames[-2:0:-1]], [*pauses, *pauses[-2:0:-1]])


def move_place(place: Place, moves: dict[int | str, float]) -> Place:
    """A place with other moves along some axes."""
    others = tuple(move for move in place.moves if move[0] not in moves)
    return place.model_copy(update={"moves": (*others, *moves.items())})
