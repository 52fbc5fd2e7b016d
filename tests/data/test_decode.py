"""Unusual and bad files among good ones: they are decoded correctly, or skipped with the reason."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from limner.data import load
from limner.data.decode import fit
from limner.errors import LimnerError


def png(width: int, height: int) -> bytes:
    """A 1-bit PNG whose header declares this size, almost without pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def save(image: Image.Image, path: Path, **options: object) -> Path:
    """Save an image and return its path."""
    image.save(path, **options)
    return path


@pytest.fixture
def bad(tmp_path, picture):
    """A folder of two good pictures; each test adds a bad one."""
    root = tmp_path / "bad"
    root.mkdir()
    for i in range(2):
        picture(i).save(root / f"good{i}.png")
    return root


def truncated(root, picture):
    path = save(picture(7, 200, 200), root / "bad file é.jpg")
    path.write_bytes(path.read_bytes()[:600])


def truncated_png(root, picture):
    path = save(picture(7, 200, 200), root / "bad file é.png")
    path.write_bytes(path.read_bytes()[:600])


def text(root, picture):
    (root / "bad file é.png").write_text("I am not a picture")


def heic(root, picture):
    head = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"
    (root / "bad file é.heic").write_bytes(head + bytes(200))


def empty(root, picture):
    (root / "bad file é.png").touch()


def giant(root, picture):
    (root / "bad file é.png").write_bytes(png(30_000, 30_000))


def large(root, picture):
    (root / "bad file é.png").write_bytes(png(10_000, 7_000))


def floats(root, picture):
    Image.fromarray(np.ones((24, 24), np.float32)).save(root / "bad file é.tif")


def broken_link(root, picture):
    (root / "bad file é.png").symlink_to(root / "nowhere.png")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (truncated, "truncated"),
        (truncated_png, "truncated"),
        (text, "not an image"),
        (heic, "a HEIC photo: convert it to JPEG"),
        (empty, "0 bytes"),
        (giant, "giant"),
        (large, "giant: 10,000 wide x 7,000 high"),
        (floats, "floating-point"),
        (broken_link, "No such file"),
    ],
)
def test_a_bad_file_is_skipped_by_name_and_reason(bad, picture, spoil, reason):
    spoil(bad, picture)
    dataset = load(bad)
    assert len(dataset.train) + len(dataset.test) == 2
    assert dataset.shape == (3, 24, 24)
    notes = [note for note in dataset.notes if note.startswith("skipped bad file é.")]
    assert len(notes) == 1
    assert reason in notes[0]


def test_of_many_bad_files_only_ten_are_named(bad):
    for i in range(14):
        (bad / f"x{i:02}.png").touch()
    notes = load(bad).notes
    assert sum(note.startswith("skipped x") for note in notes) == 10
    assert "skipped 4 more files" in notes


def test_a_source_without_a_readable_image_is_an_error(tmp_path):
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(LimnerError, match=r"a\.png: not an image"):
        load(tmp_path / "a.png")


def load_only_image(path: Path, **options):
    """The only image of a source, (C, H, W), and the notes on it."""
    dataset = load(path, **options)
    return dataset.train.pixels[0], " | ".join(dataset.notes)


def test_exif_rotation_is_applied(tmp_path):
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (20, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate clockwise by a quarter turn: the left side becomes the top
    for suffix in ("jpg", "png", "tif"):
        pixels, notes = load_only_image(save(image, tmp_path / f"turned.{suffix}", exif=exif))
        assert pixels.shape == (3, 40, 20), suffix
        assert pixels[0, :15].min() > 200, suffix
        assert pixels[2, 25:].min() > 200, suffix
        assert suffix == "tif" or "EXIF" in notes


def test_cmyk(tmp_path):
    pixels, notes = load_only_image(save(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), tmp_path / "a.jpg"))
    assert pixels[0].min() > 200
    assert pixels[1:].max() < 60
    assert "CMYK" in notes


def test_16_bit_grey_keeps_its_range(tmp_path):
    ramp = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
    for name in ("a.png", "a.tif"):
        pixels, notes = load_only_image(save(Image.fromarray(ramp), tmp_path / name))
        assert pixels.shape == (1, 20, 20)
        assert torch.equal(pixels[0], torch.from_numpy(np.rint(ramp / 257).astype(np.uint8)))
        assert "16-bit" in notes
    wide = Image.fromarray(ramp.astype(np.int32) * 2)
    with pytest.raises(LimnerError, match="more than 16 bits"):
        load(save(wide, tmp_path / "wide.tif"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_becomes_white(tmp_path, mode):
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 10, 20))
    options = {"transparency": 0} if mode == "P" else {}
    if mode == "P":
        image = Image.fromarray(np.repeat([[0] * 10 + [1] * 10], 20, axis=0).astype(np.uint8), "P")
        image.putpalette([255, 0, 0, 0, 0, 0])
    pixels, notes = load_only_image(save(image.convert(mode), tmp_path / "a.png", **options))
    assert pixels.shape == (1, 20, 20)
    assert pixels[0, :, :10].min() == 255
    assert pixels[0, :, 10:].max() == 0
    assert "white" in notes


def test_an_animated_gif_yields_its_first_frame(tmp_path):
    frames = [Image.new("L", (20, 20), shade) for shade in (40, 200)]
    pixels, notes = load_only_image(
        save(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    )
    assert pixels.unique().tolist() == [40]
    assert "first" in notes


def test_grey_images_in_colour_files_get_one_channel_unless_one_image_has_colour(tmp_path, picture):
    (tmp_path / "set").mkdir()
    for i in range(3):
        picture(i, mode="L").convert("RGB").save(tmp_path / "set" / f"{i}.png")
    assert load(tmp_path / "set").shape == (1, 24, 24)
    picture(3).save(tmp_path / "set" / "3.png")
    assert load(tmp_path / "set").shape == (3, 24, 24)


def test_crop_is_central_and_resize_antialiased(tmp_path):
    stripes = np.zeros((256, 512, 3), np.uint8)
    stripes[:, 1::2] = 255  # too fine for 64 pixels: the result must be grey, without stripes
    stripes[:, :100] = (255, 0, 0)  # cropped away
    pixels, notes = load_only_image(save(Image.fromarray(stripes), tmp_path / "a.png"))
    assert pixels.shape == (1, 64, 64)
    assert pixels.float().sub(127.5).abs().max() < 4
    assert "256 high x 512 wide cropped to the middle and resized to 64x64" in notes


def test_fit_works_for_every_pair_of_sizes():
    random = np.random.default_rng(0)
    for width, height, to_width, to_height in random.integers([1, 1, 16, 16], [400, 400, 129, 129], (500, 4)):
        size = (int(to_height), int(to_width))
        assert fit(Image.new("L", (int(width), int(height)), 9), size, 1).mean() == 9


def test_a_large_jpeg_is_decoded_at_a_reduced_size_with_the_same_result(tmp_path, picture):
    image = picture(3, 1024, 768)
    large, _ = load_only_image(save(image, tmp_path / "a.jpg", quality=95))
    exact, _ = load_only_image(save(image, tmp_path / "a.png"))
    assert large.float().sub(exact.float()).abs().mean() < 2
