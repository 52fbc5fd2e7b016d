"""Places in the space of codes: a point plus steps, and what the decoder makes of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from small import small

import limner
from limner.data import Dataset, to_uint8
from limner.errors import LimnerError
from limner.explore import Grid, Groups, Place, Plane, Spot, Strip, mix, name_direction, read_directions
from limner.explore.places import GROUPS
from limner.explore.styles import seed_styles, style_pixels
from limner.training import Run
from limner.training.codes import decode_codes, draw_codes, encode_images


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("runs")
    settings = {"images": 300, "batch": 50, "quiet": True, "on_trouble": "ignore"}
    return {
        model: limner.train(model, "digits", out=folder / model, **small(model) | settings)
        for model in ("vae", "cgan", "stylegan")
    }


def test_a_place_is_its_point_plus_its_steps(runs: dict[str, Run]) -> None:
    run = runs["vae"]
    plane, model = Plane(run), run.model
    base = encode_images(model, run.data.test.pixels[4:5])[0]
    code = base + 1.5 * plane.axes[0].step - 2 * plane.axes[1].step
    place = Place(base="image", number=4, moves=((0, 1.5), (1, -2.0)))
    assert torch.equal(plane.pixels([place]), to_uint8(decode_codes(model, code[None])))
    seed = draw_codes(model.latent, 1, 9)
    assert torch.equal(plane.pixels([Place(number=9)]), to_uint8(decode_codes(model, seed)))
    mean = model.latent.prior().mean[None]
    assert torch.equal(plane.pixels([Place(base="mean")]), to_uint8(decode_codes(model, mean)))


def test_axes_stand_by_their_effect_and_variables_are_variables(runs: dict[str, Run]) -> None:
    plane = Plane(runs["vae"])
    names = [axis.name for axis in plane.axes]
    effects = [axis.effect for axis in plane.axes]
    assert effects == sorted(effects, reverse=True)
    assert sum(name.startswith("direction") for name in names) == runs["vae"].model.latent.dim
    for axis in (axis for axis in plane.axes if axis.name.startswith("variable")):
        (moved,) = axis.step.nonzero()[:, 0].tolist()
        assert axis.name == f"variable {moved + 1}"
        assert axis.step[moved] == 1  # the deviation of N(0, I)
    assert len(set(names)) == len(names)


def test_strips_and_grids_go_through_the_place(runs: dict[str, Run]) -> None:
    plane = Plane(runs["vae"])
    place = Place(number=2, moves=((0, 0.7), (1, 1.0)))
    strip = plane.strip(place, Strip(axis=1, steps=5, span=2))
    at = [plane.pixels([Place(number=2, moves=((0, 0.7), (1, u)))])[0] for u in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    assert torch.equal(strip, torch.stack(at))
    grid = plane.grid(place, Grid(across=0, up=1, side=3, span=1))
    assert torch.equal(grid[0, 2], plane.pixels([Place(number=2, moves=((1, 1.0), (0, 1.0)))])[0])
    assert torch.equal(grid[2, 0], plane.pixels([Place(number=2, moves=((1, -1.0), (0, -1.0)))])[0])


def test_a_path_goes_from_place_to_place(runs: dict[str, Run]) -> None:
    plane = Plane(runs["vae"])
    places = [Place(number=i) for i in range(3)]
    path = plane.path(places, 4)
    assert len(path) == 9
    assert torch.equal(path[::4], plane.pixels(places))
    middle = (plane.point(places[0]) + plane.point(places[1])) / 2
    assert torch.allclose(path[2].float(), plane.decode(middle[None], [None])[0].float(), atol=1)
    assert len(plane.animation(path).frames) == 16
    assert torch.equal(plane.path(places[:1], 4), plane.pixels(places[:1]))


def test_a_class_is_that_of_the_place(runs: dict[str, Run]) -> None:
    plane = Plane(runs["cgan"])
    assert plane.labels == [str(i) for i in range(10)]
    assert plane.bases == ["mean", "seed"]
    code = draw_codes(runs["cgan"].model.latent, 1, 3)
    pixels = plane.pixels([Place(number=3, label="7"), Place(number=3, label="0")])
    for image, label in zip(pixels, (7, 0), strict=True):
        assert torch.equal(image, to_uint8(decode_codes(runs["cgan"].model, code, torch.tensor([label])))[0])
    assert torch.equal(plane.pixels([Place(number=3)])[0], pixels[1])  # the first class, where one is needed


def test_styles_are_those_of_the_seed(runs: dict[str, Run]) -> None:
    run = runs["stylegan"]
    plane = Plane(run)
    assert plane.truncates
    assert all(axis.name.startswith("direction") for axis in plane.axes)
    styles, _ = seed_styles(run, run.model, [5], None, 0.6)
    drawn = style_pixels(run.model, styles)
    assert torch.equal(plane.pixels([Place(number=5, truncation=0.6)]), drawn)
    whole, none = plane.pixels([Place(number=5, truncation=0), Place(number=6, base="mean")])
    assert torch.equal(whole, none)  # both are the mean style
    moved = plane.pixels([Place(number=5, moves=((0, 3.0),))])
    assert not torch.equal(moved, plane.pixels([Place(number=5)]))


def test_without_the_training_images_there_are_variables_only(runs: dict[str, Run], tmp_path: Path) -> None:
    shutil.copytree(runs["vae"].path, tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    content = json.loads(path.read_text())
    content["data"]["source"] = str(tmp_path / "gone")
    path.write_text(json.dumps(content))
    plane = Plane(limner.load(tmp_path / "run"))
    with pytest.raises(LimnerError, match="gone"):
        plane.pixels([Place(base="image")])
    assert plane.pixels([Place()]).shape == (1, 1, 28, 28)


def test_mistakes(runs: dict[str, Run], digits: Dataset) -> None:
    plane = Plane(runs["cgan"])
    with pytest.raises(LimnerError, match="has no encoder, so a place starts at a seed"):
        plane.pixels([Place(base="image")])
    with pytest.raises(LimnerError, match="knows no class '11'"):
        plane.pixels([Place(label="11")])
    with pytest.raises(LimnerError, match="there is no axis"):
        plane.pixels([Place(moves=((60, 1.0),))])
    with pytest.raises(LimnerError, match="a path needs a place"):
        plane.path([], 3)
    with pytest.raises(LimnerError, match="has 0 to"):
        Plane(runs["vae"]).pixels([Place(base="image", number=len(digits.test))])
    with pytest.raises(LimnerError, match="has no styles, so none can be mixed"):
        plane.pixels([Place(mixed=("fine",))])
    with pytest.raises(LimnerError, match="the axis A - B needs two groups"):
        plane.pixels([Place(moves=((GROUPS, 1.0),))])
    with pytest.raises(LimnerError, match="has no direction 'smile'"):
        plane.pixels([Place(moves=(("smile", 1.0),))])
    same = Groups(a=(Spot(number=1),), b=(Spot(number=1, label="3"),))
    with pytest.raises(LimnerError, match="the codes of both groups do not differ"):
        plane.group_direction(same)


@pytest.fixture
def copies(runs: dict[str, Run], tmp_path: Path) -> dict[str, Run]:
    """The runs in folders that a test may write in."""
    return {name: limner.load(shutil.copytree(run.path, tmp_path / name)) for name, run in runs.items()}


@pytest.mark.parametrize("layers", ["coarse", "middle", "fine"])
def test_styles_are_mixed_as_mix_does(layers: str, runs: dict[str, Run]) -> None:
    plane = Plane(runs["stylegan"])
    if layers not in plane.mixes:
        with pytest.raises(LimnerError, match="so few sizes of layers"):
            plane.pixels([Place(mixed=(layers,))])
        return
    picture = mix(runs["stylegan"], rows=[3], columns=[8], layers=layers)
    pixels = plane.pixels([Place(number=3, second=8, mixed=(layers,))])
    assert torch.equal(pixels, picture.data["pixels"][0])
    whole = plane.pixels([Place(number=3, second=8, mixed=tuple(plane.mixes)), Place(number=8)])
    assert torch.equal(whole[0], whole[1])


def test_the_axis_of_groups_leads_from_one_mean_to_the_other(runs: dict[str, Run]) -> None:
    plane = Plane(runs["vae"])
    a = (Spot(base="image", number=1), Spot(base="image", number=2, moves=((0, 1.0),)))
    b = (Spot(base="seed", number=4),)
    groups = Groups(a=a, b=b)
    means = [torch.stack([plane.moved(spot) for spot in group]).mean(0) for group in (a, b)]
    distance = plane.group_distance(groups)
    step, layers = plane.step(GROUPS, groups)
    assert layers == ()
    assert torch.allclose(distance * step, means[0] - means[1], atol=1e-5)
    projected = (plane.codes[0] - plane.codes[0].mean(0)) @ (step / step.norm())
    assert float(projected.std()) == pytest.approx(float(step.norm()), rel=1e-4)  # a standard deviation
    there = plane.moved(Place(number=4, moves=((GROUPS, 2.0),), between=groups))
    assert torch.allclose(there, means[1] + 2 * step, atol=1e-5)
    assert plane.measure_axis(GROUPS, groups).effect > 0
    strip = plane.strip(Place(number=4, between=groups), Strip(axis=GROUPS, steps=3, span=2))
    assert torch.equal(strip[1], plane.pixels([Place(number=4)])[0])


@pytest.mark.parametrize("model", ["vae", "cgan", "stylegan"])
def test_a_group_axis_is_stored_as_directions_stores_it(model: str, copies: dict[str, Run]) -> None:
    run = copies[model]
    plane = Plane(run)
    groups = Groups(a=(Spot(number=4), Spot(number=5)), b=(Spot(number=1),))
    named = plane.name_groups("smile", groups)
    assert named.description == "centroid of places, 1 and 2 codes: too few to test it"
    other = name_direction(run, "same", [1], [4, 5])
    assert other.step == pytest.approx(named.step, abs=1e-5)
    assert other.layers == named.layers
    assert list(read_directions(limner.load(run.path))) == ["smile", "same"]
    axes, notes = plane.named_axes()
    assert [(axis.key, axis.name) for axis in axes] == [("smile", "smile"), ("same", "same")]
    assert notes == []
    place = Place(number=9, moves=(("smile", 2.0),))
    between = Place(number=9, moves=((GROUPS, 2.0),), between=groups)
    assert torch.equal(plane.pixels([place]), plane.pixels([between]))
    with pytest.raises(LimnerError, match="has a direction 'smile'"):
        plane.name_groups("smile", groups)
    with pytest.raises(LimnerError, match="is no name for a direction"):
        plane.name_groups(GROUPS, groups)


def test_directions_that_cannot_be_used_are_noted(copies: dict[str, Run]) -> None:
    run = copies["vae"]
    plane = Plane(run)
    plane.name_groups("smile", Groups(a=(Spot(number=4),), b=(Spot(number=1),)))
    path = run.path / "directions.json"
    content = json.loads(path.read_text())
    content["smile"]["images_seen"] = 1
    path.write_text(json.dumps(content))
    axes, (note,) = plane.named_axes()
    assert axes == []
    assert "direction 'smile' is of weights that had seen 1 images" in note
    path.write_text("[]")
    axes, (note,) = plane.named_axes()
    assert axes == []
    assert "is damaged" in note
