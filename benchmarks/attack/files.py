"""Damaged and hostile files of every kind that a data set may be in, as bytes."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from .damages import Payload, mutate

FORMATS = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "GIF": ".gif",
    "TIFF": ".tif",
    "BMP": ".bmp",
    "WEBP": ".webp",
    "PPM": ".ppm",
}
MODES = {
    "PNG": ("L", "RGB", "RGBA", "P", "1", "LA", "I;16"), "JPEG": ("L", "RGB", "CMYK"), "GIF": ("P", "L"),
    "TIFF": ("L", "RGB", "F", "I;16", "CMYK", "1", "I"), "BMP": ("L", "RGB", "1"), "WEBP": ("RGB", "RGBA"),
    "PPM": ("L", "RGB", "1"),
}  # fmt: skip
SUFFIXES = (
    ".png",
    ".jpg",
    ".gif",
    ".tif",
    ".txt",
    ".PNG",
    "",
    ".jpeg",
    ".npy",
    ".bmp",
    ".webp",
    ".ppm",
    ".svg",
)
ODD_NAMES = (  # of entries of a zip
    "../../up.png", "/absolute.png", "a/../b.png", "C:\\x.png", "a//b.png", "x" * 250 + ".png", "ü.png",
    "__MACOSX/._x.png", "nul\x01.png", "dir/", "a/b/c/d/e/f.png",
)  # fmt: skip
CLAIMS = (30_000, 65_535, 100_000, 2**31 - 1, 2**32 - 1)


def image(rng: Random, kind: str | None = None) -> tuple[bytes, str]:
    """An image of a format, with its suffix."""
    kind = kind or rng.choice(list(FORMATS))
    side = rng.choice((1, 8, 16, 28, 33, 60))
    return encoded(noise(rng, side), kind, rng.choice(MODES[kind])), FORMATS[kind]


def noise(rng: Random, side: int) -> Image.Image:
    """A square of noise."""
    return Image.frombytes("RGB", (side, side), rng.randbytes(3 * side * side))


def encoded(pixels: Image.Image, kind: str, mode: str) -> bytes:
    """An image as a file of a format, in a mode."""
    converted = pixels.convert("I").convert("I;16") if mode == "I;16" else pixels.convert(mode)
    output = io.BytesIO()
    converted.save(output, kind)
    return output.getvalue()


def image_name(number: int, rng: Random) -> str:
    """A file name."""
    return rng.choice(
        (f"{number}", f"im age{number}", f"ü{number}", f".{number}", f"{number}\n", f"{number}.a")
    )


def damage(content: bytes, rng: Random) -> bytes:
    """A damaged file, or a file of another kind."""
    if rng.random() < 0.15:
        return rng.choice(
            (b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\x00", b"PK\x03\x04", b"\xff\xd8\xff", b"hello")
        )
    return mutate(content, rng)


def image_with_claim(rng: Random) -> tuple[bytes, str]:
    """An image whose header claims a side that its data does not have."""
    kind = rng.choice(("PNG", "GIF", "TIFF", "BMP", "PPM", "real PNG"))
    side = rng.choice(CLAIMS)
    if kind == "PNG":
        header = struct.pack(">IIBBBBB", side, rng.choice((side, 100)), 8, rng.choice((0, 2, 6)), 0, 0, 0)
        return png((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")), ".png"
    if kind == "real PNG":  # the pixels are there, all zero
        side = rng.choice((3000, 8000, 13_000))
        header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        pixels = zlib.compressobj(1)
        data = b"".join([pixels.compress(bytes(side + 1)) for _ in range(side)]) + pixels.flush()
        return png((b"IHDR", header), (b"IDAT", data), (b"IEND", b"")), ".png"
    content = bytearray(encoded(noise(rng, 16), kind, "L"))
    if kind == "GIF":
        content[6:10] = struct.pack("<HH", 65_535, 65_535)
    elif kind == "BMP":
        content[18:26] = struct.pack("<ii", min(side, 2**31 - 1), min(side, 2**31 - 1))
    elif kind == "TIFF":
        content = bytearray(
            content.replace(struct.pack("<HHIH", 256, 4, 1, 16), struct.pack("<HHII", 256, 4, 1, side)[:10])
        )
    else:
        content = bytearray(f"P5 {side} {side} 255\n".encode() + bytes(300))
    return bytes(content), FORMATS[kind]


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG file of these chunks."""
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def archive(rng: Random) -> bytes:
    """A zip of images with odd entries."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as file:
        for i in range(rng.choice((0, 2, 8))):
            content, suffix = image(rng)
            name = f"{rng.choice(('a', 'b'))}/{i}{suffix}"
            file.writestr(name, damage(content, rng) if rng.random() < 0.3 else content)
        for name in rng.sample(ODD_NAMES, rng.choice((0, 1, 3))):
            file.writestr(name, image(rng, "PNG")[0])
        if rng.random() < 0.2:
            file.writestr("bomb.png", bytes(rng.choice((10**6, 3 * 10**8))), zipfile.ZIP_DEFLATED)
        if rng.random() < 0.1:
            file.writestr("inner.zip", b"PK\x05\x06" + bytes(18))
    content = bytearray(output.getvalue())
    if rng.random() < 0.2 and (at := content.rfind(b"PK\x01\x02")) >= 0:  # another size in the directory
        content[at + 24 : at + 28] = struct.pack("<I", rng.choice((0, 5, 2**31, 2**32 - 2)))
    return bytes(content)


def arrays(rng: Random, marker: Path) -> bytes:
    """An .npz of images and labels of some type and shape."""
    n = rng.choice((0, 1, 2, 20))
    shape = rng.choice(
        ((n, 16, 16), (n, 16, 16, 3), (n, 3, 16, 16), (n, 256), (n,), (16, 16), (n, 1, 1, 1, 1), (n, 0, 5))
    )
    kind = rng.choice(("u1", "f4", "f8", "i8", "?", "u2", "c8", "S3", "U2", "M8[s]", "f2", ">i4", "O", "V8"))
    images = fill(shape, kind, rng, marker)
    labels = fill(
        (rng.choice((n, n, n, n + 1, 0)),), rng.choice(("i8", "f8", "u1", "U3", "O", "f4", "?")), rng, marker
    )
    names = rng.choice(
        (("images", "labels"), ("x_train", "y_train"), ("arr_0", "arr_1"), ("a/b", "../c"), ("images", ""))
    )
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as file:
        for name, array in zip(names, (images, labels), strict=True):
            if rng.random() < 0.9:
                file.writestr(f"{name}.npy", array_file(array, rng))
        if rng.random() < 0.2:
            bomb = header({"descr": "|u1", "fortran_order": False, "shape": (400_000, 28, 28)})
            file.writestr(
                "x_test.npy", bomb + bytes(rng.choice((0, 10**6, 313_600_000))), zipfile.ZIP_DEFLATED
            )
    return output.getvalue()


def fill(shape: tuple[int, ...], kind: str, rng: Random, marker: Path) -> np.ndarray[Any, Any]:
    """An array of some numbers of a type, with odd values."""
    if kind == "O":
        array = np.empty(shape, dtype=object)
        array.fill(Payload(marker))
        return array
    numbers = np.frombuffer(rng.randbytes(int(np.prod(shape)) or 1), np.uint8)[: int(np.prod(shape))]
    with np.errstate(all="ignore"):
        array = numbers.reshape(shape).astype(kind)
        if kind.startswith(("f", "c")) and array.size:
            array.reshape(-1)[0] = rng.choice((np.nan, np.inf, -np.inf, 1e300, -1.0, 0.5))
        elif kind == "i8" and array.size:
            array.reshape(-1)[0] = rng.choice((-1, 2**62, -(2**62), 10**6))
    return array


def array_file(array: np.ndarray[Any, Any], rng: Random) -> bytes:
    """An array as a .npy file, perhaps with a header that claims something else."""
    output = io.BytesIO()
    np.lib.format.write_array(output, array, allow_pickle=True)
    content = output.getvalue()
    if rng.random() < 0.25:
        shape = rng.choice(((10**11,), (10**5, 1000, 1000), (-1, 28, 28), (2**63,), (10**30, 2), ("x",), 5))
        text: dict[str, Any] = {
            "descr": rng.choice(("|u1", "<f8", "|O", "x", "<U999999999")),
            "fortran_order": False,
        }
        return header(text | {"shape": shape}) + content[128:]
    return content


def header(fields: dict[str, Any]) -> bytes:
    """The header of a .npy file."""
    text = repr(fields).encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def idx(rng: Random) -> dict[str, bytes]:
    """The files of an idx folder: images and labels with claims, some packed."""
    n, side = rng.choice((0, 1, 20)), rng.choice((16, 28))
    claim = rng.choice((n, n, n, n + 1, 10**7, 2**32 - 1))
    magic = rng.choice((0x803, 0x803, 0x803, 0x801, 0xD03, 0x8FF, 0))
    sides = rng.choice(((side, side), (side, side), (2**31, 2**31), (0, 0)))
    images = struct.pack(">IIII", magic, claim, *sides) + rng.randbytes(n * side * side)
    labels = struct.pack(">II", 0x801, rng.choice((n, n, 2**32 - 1))) + rng.randbytes(n)
    result = {"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels}
    if rng.random() < 0.5:
        result |= {"t10k-images-idx3-ubyte": images, "t10k-labels-idx1-ubyte": labels}
    if rng.random() < 0.4:
        bomb = images + bytes(rng.choice((0, 10**6, 5 * 10**8)) if rng.random() < 0.3 else 0)
        result["train-images-idx3-ubyte.gz"] = gzip.compress(bomb, 1)
        del result["train-images-idx3-ubyte"]
    return result


def pickled(marker: Path) -> bytes:
    """A pickle with code."""
    return pickle.dumps(Payload(marker))


def add_odd_entry(root: Path, rng: Random) -> None:
    """Something in a folder that is no regular file."""
    entry = rng.choice(("loop", "fifo", "link", "unreadable", "folder.png", "many", "bytes"))
    if entry == "loop":
        (root / "loop").symlink_to(root)
    elif entry == "fifo":
        os.mkfifo(root / "fifo.png")
    elif entry == "link":
        (root / "gone.png").symlink_to("nowhere.png")
    elif entry == "unreadable":
        (root / "secret.png").write_bytes(b"x")
        (root / "secret.png").chmod(0)
    elif entry == "folder.png":
        (root / "folder.png").mkdir()
    elif entry == "many":
        for i in range(500):
            (root / f"{i}.txt").write_text("x")
    else:
        (root / os.fsdecode(b"\xff\xfe.png")).write_bytes(image(rng, "PNG")[0])
