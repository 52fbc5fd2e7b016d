"""`limner train`: its help in groups, its defaults, flags that two settings share, and --config FILE."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import Field
from small import IMAGE_MODELS, blobs, small, words
from torch import Tensor, nn

import limner
from limner.cli import run
from limner.cli.forms import Box, flag_values, form, option_boxes
from limner.cli.parsing import help_text, parse
from limner.errors import LimnerError
from limner.models import MODELS, model_class
from limner.models.base import Logs, Model, Shape
from limner.settings import PositiveInt, Settings
from limner.training import TrainConfig
from limner.training.checkpoint import read_state

RUN = "runs/cyclegan-photos-0001"


class GameOptions(Settings):
    """Options of a game"""

    rounds: PositiveInt = 2
    """rounds of the game"""


class Clashing(Model):
    """A model whose options have the names of other flags."""

    class Options(GameOptions, Model.Options):
        """Options of the clashing model"""

        size: PositiveInt = 5
        """size of the hidden layer"""
        fair: bool = False
        """whether the game is fair"""
        mood: Literal["good", "bad"] = "good"
        """of the players"""
        rate: Annotated[float, Field(gt=0)] | None = None
        """learning rate; default: a good one"""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"size": 7, "fair": True, "batch": 50, "warmup": 100}
    }

    def __init__(self, shape: Shape, options: Options) -> None:
        super().__init__(shape, options)
        pixels = shape[0] * shape[1] * shape[2]
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, options.size), nn.Linear(options.size, pixels)
        )

    def loss(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Logs]:
        loss = (self.layers(x) - x.flatten(1)).square().mean()
        return loss, {"loss": loss}

    def preview(self, x: Tensor, y: Tensor | None, n: int) -> Tensor:
        return x


class Formless(Model):
    """A model that no single image passes through."""

    def __init__(self, shape: Shape, options: Settings) -> None:
        super().__init__(shape, options)
        self.layer = nn.Linear(2, 2)


@pytest.fixture
def clashing(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Clashing]]:
    """The model in the table of models."""
    monkeypatch.setitem(MODELS, "clashing", f"{__name__}:Clashing")
    return Clashing


def help_of(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    """The help of a command."""
    with pytest.raises(SystemExit) as end:
        run([*line, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


def groups(text: str) -> dict[str, list[str]]:
    """The flags of a help text by the name of their box."""
    parts = re.split(r"(?m)^\W*([\w-]*) ?options\b[^\n\w]*$", text)
    bodies = [re.findall(r"(?m)^\W*(--[a-z][\w.-]*)", body) for body in parts[2::2]]
    return dict(zip(parts[1::2], bodies, strict=True))


@pytest.mark.parametrize("model", MODELS)
def test_help_has_every_option_in_groups(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    boxes = groups(help_of(capsys, "train", model))
    names = list(boxes)
    assert names[:3] == ["", "data", "length"]
    assert names[-2:] == ["training", "output"]
    assert boxes["data"][0] == "--data"
    assert boxes["length"] == ["--epochs", "--images"]
    assert "--resume" in boxes["output"]
    flags = [flag for box in boxes.values() for flag in box]
    assert len(flags) == len(set(flags))
    options = model_class(model).Options.model_fields
    for name in [*options, *TrainConfig.model_fields]:
        assert f"--{name.replace('_', '-')}" in flags
    text = re.sub(r"[│\s]+", " ", help_of(capsys, "train", model)).partition("--size")[0]
    assert f"(default: {'digits' if model in IMAGE_MODELS else 'none'})" in text
    own = {f"--{name.replace('_', '-')}" for name in options}
    assert own <= {flag for name in names[3:-2] for flag in boxes[name]}


def test_the_game_of_a_gan_is_a_group_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    boxes = groups(help_of(capsys, "train", "gan"))
    assert list(boxes) == ["", "data", "length", "model", "network", "game", "training", "output"]
    assert {"--loss", "--penalty", "--d-lr"} <= set(boxes["game"])
    assert "--hidden" in boxes["model"]
    boxes = groups(help_of(capsys, "train", "vae"))
    assert list(boxes) == ["", "data", "length", "model", "training", "output"]


def test_the_help_shows_the_defaults_of_the_preset(capsys: pytest.CaptureFixture[str]) -> None:
    for preset, latent_dim, batch in (([], 16, 128), (["--preset=paper"], 20, 100)):
        text = re.sub(r"[│\s]+", " ", help_of(capsys, "train", "vae", *preset))
        assert f"numbers in the code (default: {latent_dim})" in text
        assert f"(default: {batch})" in text.partition("--batch")[2].partition("--seed")[0]


def test_train_without_a_model_lists_the_common_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--help"]) == 0
    text = capsys.readouterr().out
    assert list(groups(text)) == ["", "data", "length", "training", "output"]
    assert "usage: limner train MODEL" in text
    assert all(model in text for model in MODELS)


def test_an_option_with_the_name_of_another_flag_gets_a_prefix(
    clashing: type[Clashing], capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = groups(help_of(capsys, "train", "clashing"))
    assert boxes["model"] == ["--model.size", "--fair", "--mood", "--rate"]
    assert boxes["game"] == ["--rounds"]
    assert "--size" in boxes["data"]
    line = ["train", "clashing", "--model.size", "3", "--size", "16", "--images", "200", "--quiet"]
    assert run(line) == 0
    trained = limner.load("clashing-digits-0001")
    assert trained.config.options["size"] == 3
    assert trained.shape == (1, 16, 16)


def test_a_switch_that_a_preset_turns_on_can_be_turned_off(clashing: type[Clashing]) -> None:
    assert run(["train", "clashing", "--preset", "paper", "--no-fair", "--images", "200", "--quiet"]) == 0
    config = limner.load("clashing-digits-0001").config
    assert (config.options["fair"], config.options["size"]) == (False, 7)
    assert (config.training.batch, config.training.warmup) == (50, 100)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--mood", "glad"], "--mood cannot be 'glad': did you mean 'bad'?"),
        (["--rate", "fast"], "--rate must be a number, not 'fast'"),
        (["--rate", "-1"], "rate must be above 0, not -1"),
        (["--model.size", "0"], "size must be at least 1, not 0"),
        (["--model.siz", "3"], "no option --model.siz: did you mean '--model.size'?"),
        (["--epochs", "1", "--images", "3"], "either epochs or images"),
        (["--warmup", "-5"], "warmup must be at least 0, not -5"),
    ],
    ids=" ".join,
)
def test_wrong_values_get_one_line(
    clashing: type[Clashing], line: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "clashing", *line]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("runs").exists()


def test_summary_of_a_model_without_forward_is_one_line(
    monkeypatch: pytest.MonkeyPatch, clashing: type[Clashing], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(MODELS, "formless", f"{__name__}:Formless")
    assert run(["summary", "formless"]) == 2
    error = capsys.readouterr().err
    assert error == "limner: error: Formless has no forward(x), so its layers cannot be listed\n"
    assert run(["summary", "clashing", "--preset", "paper"]) == 0
    assert "Total params" in capsys.readouterr().out


# -- forms on their own -----------------------------------------------------------------------------------


def test_a_form_returns_only_what_stands_on_the_line() -> None:
    boxes = [Box.of("settings", GameOptions), *option_boxes(Clashing.Options, ["rounds"])]
    filled = form(boxes, {"size": 9}, "A form.")
    text = help_text(filled, "form")
    assert "A form." in text
    assert "(default: 9)" in text
    line = ["--rounds", "3", "--model.rounds=4", "--fair", "--rate", "0.5"]
    values = flag_values(parse(filled, line, "form"), line)
    assert values == {"rounds": 3, "model.rounds": 4, "fair": True, "rate": 0.5}
    with pytest.raises(LimnerError, match=r"no option --mod: did you mean '--mood'\?"):
        parse(filled, ["--mod", "good"], "form")


# -- --config FILE ----------------------------------------------------------------------------------------


def test_a_run_is_repeated_from_its_run_json() -> None:
    first = ["train", "vae", "--images", "600", "--seed", "3", "--batch", "50", "--leave-out", "4", "--quiet"]
    assert run([*first, *words(small("vae")), "--out", "first"]) == 0
    assert run(["train", "--config", "first/run.json", "--out", "second", "--quiet"]) == 0
    assert run(["train", "vae", "--config", "first", "--out", "third", "--quiet", "--seed", "4"]) == 0
    one, two, three = (limner.load(name) for name in ("first", "second", "third"))
    assert two.config.model_copy(update={"started": one.config.started}) == one.config
    weights = [run.model.state_dict() for run in (one, two, three)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert three.config.training == one.config.training.model_copy(update={"seed": 4})


def two_domains(folder: Path) -> None:
    """Grey images in trainA/, and images in colour, among them the same in blue, in trainB/."""
    for name in ("trainA", "trainB"):
        (folder / name).mkdir(parents=True)
    pixels = blobs(60, (1, 16, 16)).pixels[:, 0].numpy()
    for i, image in enumerate(pixels):
        blue = np.zeros((16, 16, 3), np.uint8)
        blue[..., 2] = image
        Image.fromarray(image).save(folder / "trainA" / f"{i}.png")
        Image.fromarray(blue).save(folder / "trainB" / f"{i}.png")


@pytest.mark.parametrize("kind", ["pair", "folder"])
def test_a_run_of_two_domains_is_repeated_and_resumed_from_its_run_json(
    kind: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    two_domains(tmp_path / "photos")
    source = [f"A={tmp_path}/photos/trainA", f"B={tmp_path}/photos/trainB"] if kind == "pair" else ["photos"]
    line = ["--data", *source, "--images", "16", "--batch", "8", "--tick", "8", *words(small("cyclegan"))]
    assert run(["train", "cyclegan", *line, "--out", "first", "--quiet"]) == 0
    assert run(["train", "--config", "first/run.json", "--out", "second", "--quiet"]) == 0
    one, two = (limner.load(name) for name in ("first", "second"))
    assert two.config.model_copy(update={"started": one.config.started}) == one.config
    assert two.config.options["channels_b"] == 3
    assert [domain.shape for domain in (two.domains.a, two.domains.b)] == [(1, 16, 16), (3, 16, 16)]
    weights = [each.model.state_dict() for each in (one, two)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])

    longer = ["--images", "24", "--resume", "--quiet"]
    assert run(["train", "--config", "first/run.json", "--out", "first", *longer]) == 0
    assert run(["train", "cyclegan", "--data", *source, "--out", "second", *longer]) == 0
    states = [read_state(Path(name) / "state.pt") for name in ("first", "second")]
    assert states[0]["images_seen"] == 24
    assert all(torch.equal(value, states[1]["model"][name]) for name, value in states[0]["model"].items())
    assert [line["images"] for line in limner.load("first").log] == [8, 16, 24]
    assert not [warning for warning in recwarn if "annotated" in str(warning.message)]


def test_a_resumed_run_of_two_domains_keeps_its_data_and_channels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two_domains(tmp_path / "photos")
    tiny = ["--images", "8", "--batch", "8", *words(small("cyclegan"))]
    assert run(["train", "cyclegan", "--data", "photos", *tiny, "--quiet"]) == 0
    for line, message in [
        (["--data", "A=photos/trainB", "B=photos/trainA", "--out", RUN], "holds other images than"),
        (["--data", "photos", "--channels", "3"], "trained with channels (1, 3), not 3"),
    ]:
        assert run(["train", "cyclegan", *line, "--resume", "--quiet"]) == 2
        assert message in capsys.readouterr().err
    assert run(["train", "cyclegan", "--data", "photos", "--resume", "--images", "16", "--quiet"]) == 0
    assert limner.load(RUN).images_seen == 16


def test_a_file_names_both_domains_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_domains(tmp_path / "photos")
    table = '[data]\nsource = "photos/trainA"\n[data.second]\nsource = "photos/trainB"\n'
    tiny = ["--images", "8", "--batch", "8", *words(small("cyclegan"))]
    Path("pair.toml").write_text('model = "cyclegan"\n' + table)
    assert run(["train", "--config", "pair.toml", *tiny, "--quiet"]) == 0
    assert limner.load("cyclegan-trainA-trainB-0001").config.options["channels_b"] == 3
    assert "(default: A=photos/trainA B=photos/trainB)" in re.sub(
        r"[│\s]+", " ", help_of(capsys, "train", "--config", "pair.toml")
    )
    run_json = "runs/cyclegan-trainA-trainB-0001/run.json"
    Path("half.toml").write_text('model = "cyclegan"\n' + table.replace('source = "photos/trainA"', ""))
    for line, message in [
        (["--config", "half.toml"], "half.toml: data and its second each need a source"),
        (["vae", "--config", "pair.toml"], "trains on one data set, not on two domains"),
        (["autoencoder", "--config", run_json, "--data", "digits"], "give channels as one number"),
    ]:
        content = Path(line[-1] if line[-1] in ("half.toml", "pair.toml") else run_json)
        if content.suffix == ".json":  # its options are those of another model
            content.write_text(json.dumps(json.loads(content.read_text()) | {"options": {}}))
        assert run(["train", *line]) == 2
        assert message in capsys.readouterr().err


def test_words_override_a_file() -> None:
    Path("vae.toml").write_text(
        'model = "vae"\npreset = "paper"\n[data]\nsource = "digits"\nsize = 16\n'
        "[options]\nlatent_dim = 3\nhidden = [16]\n[training]\nepochs = 0.5\nseed = 5\n"
    )
    assert run(["train", "--config", "vae.toml", "--images", "300", "--latent-dim", "2", "--quiet"]) == 0
    trained = limner.load("vae-digits-0001")
    assert trained.shape == (1, 16, 16)
    assert trained.config.preset == "paper"
    assert (trained.config.options["latent_dim"], trained.config.options["hidden"]) == (2, [16])
    assert trained.config.options["optimizer"] == "adagrad"
    training = trained.config.training
    assert (training.images, training.epochs, training.seed, training.batch) == (300, None, 5, 100)


def test_the_sides_of_the_images_are_those_in_the_file() -> None:
    Path("wide.toml").write_text('model = "vae"\n[data]\nsize = [16, 24]\n[training]\nimages = 100\n')
    assert run(["train", "--config", "wide.toml", "--out", "wide", "--quiet"]) == 0
    assert run(["train", "--config", "wide", "--out", "again", "--quiet"]) == 0
    assert limner.load("again").shape == (1, 16, 24)


def test_a_file_may_leave_the_model_to_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    Path("short.json").write_text(json.dumps({"training": {"images": 200, "batch": 50}}))
    assert run(["train", "autoencoder", "--config=short.json", "--quiet"]) == 0
    assert limner.load("autoencoder-digits-0001").images_seen == 200
    assert run(["train", "--config", "short.json"]) == 2
    assert "the model's name comes first" in capsys.readouterr().err


def test_the_help_shows_the_defaults_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("vae.toml").write_text('model = "vae"\n[options]\nlatent_dim = 3\n[training]\nseed = 5\n')
    text = re.sub(r"[│\s]+", " ", help_of(capsys, "train", "--config", "vae.toml"))
    assert "numbers in the code (default: 3)" in text
    assert "seed of everything drawn at random (default: 5)" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('modle = "vae"', "file.toml has no key 'modle': did you mean 'model'?"),
        ('model = "veal"', "no model called 'veal': did you mean 'vae'?"),
        ('model = "vae"\npreset = "papr"', "no preset 'papr': did you mean 'paper'?"),
        (
            'model = "vae"\n[options]\nlatent_dims = 2',
            "VAE has no option 'latent_dims': did you mean 'latent_dim'?",
        ),
        ('model = "vae"\n[options]\nlatent_dim = 0', "latent_dim must be at least 1, not 0"),
        ('model = "vae"\n[options]\nepochs = 2', "VAE has no option 'epochs'"),
        (
            'model = "vae"\n[training]\nepocs = 2',
            "file.toml: training has no option 'epocs': did you mean",
        ),
        ('model = "vae"\n[training]\nbatch = 0', "file.toml: batch must be from 1 to 65536, not 0"),
        (
            'model = "vae"\n[data]\nsorce = "digits"',
            "file.toml: data has no option 'sorce': did you mean",
        ),
        ('model = "vae"\ndata = 3', "file.toml: data must be a table of names and values, not 3"),
        ('model = "vae"\ndata = "digts"', "did you mean 'digits'?"),
        ("model = 3", "file.toml: model must be a text, not 3"),
        ("model = ", "file.toml is not a TOML file"),
        ('model = "vae"\n[data]\nsize = "x"', "file.toml: size"),
        ('model = "vae"\n[data]\nchannels = 2', "file.toml: channels cannot be '2': choose from: 1, 3"),
        ('model = "vae"\n[data]\nsource = 2', "file.toml: source"),
        ('model = "vae"\n[data]\nshape = 3', "file.toml: shape"),
    ],
)
def test_a_wrong_file_gets_one_line(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file.toml").write_text(text)
    assert run(["train", "--config", "file.toml"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("runs").exists()


def test_a_missing_file_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("nothing.toml", "nothing.json"):
        assert run(["train", "--config", name]) == 2
        assert f"{name} is missing" in capsys.readouterr().err
    Path("cut.json").write_text('{"model": ')
    assert run(["train", "--config", "cut.json"]) == 2
    assert "cut.json cannot be read" in capsys.readouterr().err
