"""Faces whose file names tell an age: the groups, names that tell none, folders and zips."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import limner
from limner.cli import run as cli
from limner.data import load
from limner.data.ages import CLASSES, GENDER_PREFIX, GROUPS, has_ages, has_genders, read_label
from limner.errors import LimnerError


def draw_faces(folder: Path, names: list[str]) -> Path:
    """An image file of each name, all different."""
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    return folder


@pytest.mark.parametrize(
    ("age", "group"),
    [
        (0, "0-5"), (1, "0-5"), (5, "0-5"), (6, "6-10"), (10, "6-10"), (11, "11-15"), (15, "11-15"),
        (16, "16-20"), (20, "16-20"), (21, "21-30"), (30, "21-30"), (31, "31-40"), (41, "41-50"),
        (51, "51-60"), (60, "51-60"), (61, "61-70"), (70, "61-70"), (71, "71+"), (116, "71+"),
    ],
)  # fmt: skip
def test_an_age_has_its_group(age: int, group: str) -> None:
    number = read_label(f"faces/{age}_1_0_20170116203448832.jpg.chip.jpg")
    assert number is not None
    assert GROUPS[number] == group


@pytest.mark.parametrize(
    "name", ["me.png", "20_1.png", "_1_0_2017.jpg", "999_0_0_2017.jpg", "-3_0_0_2017.jpg", "1x_0_0_2.jpg"]
)
def test_other_names_tell_no_age(name: str) -> None:
    assert read_label(name) is None


def test_labels_are_right_and_names_without_an_age_are_counted(tmp_path: Path) -> None:
    ages = [3 * i for i in range(36)]
    names = [f"{age}_{age % 2}_0_2017{i:010d}.png" for i, age in enumerate(ages)]
    draw_faces(tmp_path / "faces", [*names, "portrait.png", "61_0.png"])
    data = load(f"utkface:{tmp_path / 'faces'}")
    assert data.classes == GROUPS
    for split in (data.train, data.test):
        assert split.labels is not None
        assert split.names is not None
        assert [read_label(name) for name in split.names] == split.labels.tolist()
    assert sorted([*(data.train.names or ()), *(data.test.names or ())]) == sorted(names)
    for name in ("portrait.png", "61_0.png"):
        assert f"skipped {name}: its name tells no age" in data.notes
    assert data.fingerprint != load(tmp_path / "faces").fingerprint


def test_gender_is_an_option_and_names_without_it_are_skipped(tmp_path: Path) -> None:
    names = [f"{3 * i}_{i % 2}_0_2017{i:010d}.png" for i in range(36)]
    folder = draw_faces(tmp_path / "faces", [*names, "44_3_0_20170109.png"])  # UTKFace has a few of these
    data = load(f"utkface-gender:{folder}")
    assert data.classes == CLASSES[GENDER_PREFIX]
    assert has_ages(data)
    assert has_genders(data)
    assert not has_genders(load(f"utkface:{folder}"))
    for split in (data.train, data.test):
        assert split.labels is not None
        for name, label in zip(split.names or (), split.labels.tolist(), strict=True):
            age, gender = (int(part) for part in name.split("_")[:2])
            assert data.classes[label] == f"{GROUPS[read_label(name) or 0]} {('male', 'female')[gender]}"
            assert label % 10 == read_label(f"{age}_0_0_2017.png")
    assert "skipped 44_3_0_20170109.png: its name tells no age and gender" in data.notes
    assert data.source == f"utkface-gender:{folder}"


def test_a_zip_is_read_and_a_run_knows_its_data_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = draw_faces(tmp_path / "faces", [f"{3 * i}_0_0_20{i:02d}.png" for i in range(36)])
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"faces/{path.name}")
    source = f"utkface:{tmp_path / 'faces.zip'}"
    words = ["train", "cgan", "--networks", "mlp", "--hidden", "8", "--data", source, "--images", "64"]
    assert cli([*words, "--out", "run", "--quiet"]) == 0
    run = limner.load("run")
    assert run.data.classes == GROUPS
    assert run.config.data.source == source
    assert cli(["data", source]) == 0
    assert "71+" in capsys.readouterr().out


def test_an_error_suggests_the_prefix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = draw_faces(tmp_path / "faces", [f"{3 * i}_0_0_20{i:02d}.png" for i in range(36)])
    assert cli(["train", "caae", "--data", str(folder)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.endswith(f"its file names tell ages, so give utkface:{folder}")


def test_a_source_without_ages_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_faces(tmp_path / "faces", [f"{i}.png" for i in range(8)])
    assert cli(["data", f"utkface:{tmp_path / 'faces'}"]) == 2
    error = capsys.readouterr().err
    assert "no file in" in error
    assert "age_gender_race_date" in error
    assert error.count("\n") == 1
    with pytest.raises(LimnerError, match="no set and no file is called"):
        load("utkface:nowhere")


def test_the_groups_of_the_real_faces_are_as_the_document_says(real: Path) -> None:
    with zipfile.ZipFile(real / "utkface_64.zip") as archive:
        groups = [read_label(name) for name in archive.namelist() if name.endswith(".jpg")]
    assert None not in groups
    counts = [groups.count(number) for number in range(len(GROUPS))]
    document = (Path(__file__).parents[2] / "docs" / "faces.md").read_text()
    assert "| faces | " + " | ".join(f"{count:,}" for count in counts) + " |" in document
