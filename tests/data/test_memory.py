"""Small files that claim or hold a lot: one line of error or a skipped file, and little memory."""

import gzip
import json
import os
import re
import struct
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from limner.data import load, memory
from limner.data.memory import Budget
from limner.errors import LimnerError

MOST = 1.5e9  # bytes resident
LIMIT = 12 * 2**30  # bytes that the child may allocate, so that a failure does not end the machine
BLOCK = 2**26  # zero bytes
CHILD = """
import json, resource, sys
from pathlib import Path
from limner.data import load
from limner.errors import LimnerError

limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
load("shapes")
for path in sys.argv[2:]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
    try:
        outcome = " | ".join(load(path).notes)
    except LimnerError as error:
        outcome = f"error: {error}"
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    print(json.dumps([outcome, peak]), flush=True)
"""


def load_in_child(paths: list[Path]) -> list[tuple[str, int]]:
    """For each path, the notes or the error of loading it, and the peak of the memory meanwhile in bytes."""
    command = [sys.executable, "-c", CHILD, str(LIMIT), *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stderr == ""
    return [tuple(json.loads(line)) for line in result.stdout.splitlines()]


def zeros(count: int, head: bytes = b"", wbits: int = -15) -> bytes:
    """`head` and at least `count` zero bytes, in whole blocks, compressed: a deflate stream or gzip data."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    first = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + block * -(-count // BLOCK) + packer.flush()


def write_zip(
    path: Path, members: dict[str, tuple[bytes, int, int]], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    """A zip of members (compressed data, declared size, CRC)."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, (data, size, crc) in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type, info.header_offset = method, archive.fp.tell()
            info.compress_size, info.file_size, info.CRC = len(data), size, crc
            archive.fp.write(info.FileHeader(zip64=True) + data)
            archive.filelist.append(info)
            archive.start_dir, archive._didModify = archive.fp.tell(), True
    return path


def npy_header(shape: tuple[int, ...], dtype: str = "|u1") -> bytes:
    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def bmp_header(side: int) -> bytes:
    """Of a square RGB image."""
    size = side * side * 3
    file = struct.pack("<2sIHHI", b"BM", 54 + size, 0, 0, 54)
    return file + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, size, 0, 0, 0, 0)


def idx_header(path: Path) -> Path:
    (path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + struct.pack(">3I", 10_000_000, 28, 28))
    return path


def gz_claim(path: Path) -> Path:
    """A header that declares 3.1 GB, and nothing after it."""
    head = b"\0\0\x08\x03" + struct.pack(">3I", 4_000_000, 28, 28)
    (path / "train-images-idx3-ubyte.gz").write_bytes(zeros(0, head, 31))
    return path


def gz_bomb(path: Path) -> Path:
    """3.1 GB of zeros in 3 MB."""
    count = 48 * BLOCK
    head = b"\0\0\x08\x03" + struct.pack(">3I", count // 1024, 32, 32)
    (path / "train-images-idx3-ubyte.gz").write_bytes(zeros(count, head, 31))
    return path


def gz_of_tiny_images(path: Path) -> Path:
    """As many images of one pixel as may be unpacked; 64x64 each would be a terabyte."""
    count = 4 * BLOCK
    head = b"\0\0\x08\x03" + struct.pack(">3I", count, 1, 1)
    (path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + bytes(count), 1))
    return path


def gz_of_many_images(path: Path) -> Path:
    """As many images of the smallest size as may be unpacked."""
    count = 4 * BLOCK
    head = b"\0\0\x08\x03" + struct.pack(">3I", count // 256, 16, 16)
    (path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + bytes(count), 1))
    return path


def npz_bomb(path: Path) -> Path:
    head, count = npy_header((48 * BLOCK // 1024, 32, 32)), 48 * BLOCK
    return write_zip(path / "a.npz", {"images.npy": (zeros(count, head), len(head) + count, 0)})


def npz_of_floats(path: Path) -> Path:
    """As many halves as may be unpacked, in two images."""
    head, count = npy_header((2, 2**13, 2**13 - 1000), "<f2"), 4 * BLOCK
    size = 2 * 2 * 2**13 * (2**13 - 1000)
    packed = zlib.compressobj(1, zlib.DEFLATED, -15)
    data = packed.compress(head + bytes(size)) + packed.flush()
    assert size <= count
    return write_zip(path / "a.npz", {"images.npy": (data, len(head) + size, zlib.crc32(head + bytes(size)))})


def npz_header(path: Path) -> Path:
    head = npy_header((100_000_000, 1000))
    return write_zip(
        path / "a.npz", {"images.npy": (head, len(head), zlib.crc32(head))}, method=zipfile.ZIP_STORED
    )


def npz_directory(path: Path) -> Path:
    """The header and the directory of the zip agree on 100 GB, the file holds a few bytes."""
    head = npy_header((100_000_000, 1000))
    declared = len(head) + 10**11
    return write_zip(path / "a.npz", {"images.npy": (head, declared, 0)}, method=zipfile.ZIP_STORED)


def npz_of_less(path: Path) -> Path:
    """The header and the directory of the zip agree on 200 MB, the stream ends before."""
    head = npy_header((200_000, 1000))
    return write_zip(
        path / "a.npz", {"images.npy": (zeros(0, head), len(head) + 200_000_000, zlib.crc32(head))}
    )


def zip_of_large_files(path: Path) -> Path:
    size = 7 * BLOCK + 60_000_000
    data = zeros(size, bmp_header(8000))
    return write_zip(path / "a.zip", {f"{i}.bmp": (data, size, 0) for i in range(16)})


def zip_of_large_images(path: Path) -> Path:
    head = bmp_header(7744)
    size = 54 + 7744 * 7744 * 3
    content = head + bytes(size - 54)
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    data = packer.compress(content) + packer.flush()
    return write_zip(path / "a.zip", {f"{i}.bmp": (data, size, zlib.crc32(content)) for i in range(2)})


def large_png(path: Path, depth: int, colour: int, row: int) -> Path:
    """A PNG of 8000x8000 zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 8000, 8000, depth, colour, 0, 0, 0)
    data = zlib.compress(bytes(8000 * (row + 1)))
    path = path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )
    return path


def transparent_png(path: Path) -> Path:
    return large_png(path, 8, 6, 32_000)


def grey_png(path: Path) -> Path:
    return large_png(path, 16, 0, 16_000)


CASES = {  # what makes a file or a folder: what loading it says
    idx_header: "error: .* should hold 7,840,000,000 bytes",
    gz_claim: "error: .* declares 3.1 GB in .* bytes of compressed data",
    gz_bomb: "error: .* declares 3.2 GB in .* MB of compressed data",
    gz_of_tiny_images: "error: to fit 268,435,456 images .* needs 2.2 TB of memory",
    npz_bomb: "error: .* declares 3.2 GB in .* MB of compressed data",
    npz_header: "error: 'images' in .* declares shape .* 100.0 GB, and holds 0 bytes",
    npz_directory: "error: .* declares 100.0 GB in 128 bytes",
    npz_of_less: "error: .* is cut off",
    zip_of_large_files: "error: none of the 16 files .* giant: a file of 529,762,048 bytes",
    zip_of_large_images: "images of 7744x7744 resized",
}
SLOW_CASES = {
    transparent_png: "transparent parts composited on white",
    gz_of_many_images: "all 1048576 images are equal",
    npz_of_floats: "8192 high x 7192 wide .*shrunk",
    grey_png: "16-bit grey",
}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads memory from /proc")
@pytest.mark.parametrize("cases", [CASES, SLOW_CASES], ids=["claims", "slow"])
def test_a_small_file_takes_little_memory(tmp_path, cases):
    if cases is SLOW_CASES and "LIMNER_SLOW_TESTS" not in os.environ:
        pytest.skip("takes 10 seconds (set LIMNER_SLOW_TESTS)")
    paths = []
    for make in cases:
        folder = tmp_path / make.__name__
        folder.mkdir()
        paths.append(make(folder))
        assert sum(file.stat().st_size for file in folder.iterdir()) < 10e6
    results = load_in_child(paths)
    assert len(results) == len(cases)
    for (make, expected), (outcome, peak) in zip(cases.items(), results, strict=True):
        print(f"{make.__name__}: {peak / 1e6:.0f} MB: {outcome[:200]}")
        assert re.search(expected, outcome), make.__name__
        assert peak < MOST, make.__name__


def test_a_budget_is_shared_and_what_is_larger_waits_until_it_is_alone():
    budget, held, most = Budget(10), [], []

    def work(amount: int) -> None:
        with budget.hold(amount):
            held.append(amount)
            most.append((sum(held), len(held)))
            time.sleep(0.001)
            held.remove(amount)

    threads = [threading.Thread(target=work, args=(amount,)) for amount in [4, 3, 25, 5, 10, 1, 2] * 10]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(most) == 70
    assert all(total <= 10 or count == 1 for total, count in most)


def test_images_that_do_not_fit_in_memory_are_an_error(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", images=np.zeros((100, 20, 20), np.uint8))
    monkeypatch.setattr(memory, "available_memory", lambda: 100_000)
    with pytest.raises(LimnerError, match=r"needs 819,200 bytes of memory and 100,000 bytes are free"):
        load(tmp_path / "a.npz", size=64)


def test_this_machine_reports_its_memory():
    free = memory.available_memory()
    assert free is None or 2**20 < free < 2**50
