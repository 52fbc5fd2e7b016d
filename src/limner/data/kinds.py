"""What a name, or the first bytes of a file, say about its type."""

from __future__ import annotations

import os
import re

JPEG = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"}
PORTABLE = {".ppm", ".pgm", ".pbm", ".pnm"}
OTHER_IMAGES = {
    ".png",
    ".apng",
    ".webp",
    ".gif",
    ".bmp",
    ".dib",
    ".tif",
    ".tiff",
    ".tga",
    ".ico",
    ".avif",
    ".qoi",
}
IMAGES = JPEG | PORTABLE | OTHER_IMAGES
TEXTS = {".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".log", ".md"}
DOCUMENTS = {".rst", ".html", ".htm", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ipynb"}
PROGRAMS = {".py", ".pyc", ".pyi", ".sh", ".m", ".cpp", ".js", ".ts", ".so", ".dll", ".exe"}
ARRAYS = {".npy", ".npz", ".mat", ".pkl", ".pt", ".pth", ".h5", ".safetensors", ".db", ".sqlite"}
ARCHIVES = {".zip", ".gz", ".xz", ".bz2", ".tar", ".tgz", ".7z", ".rar"}
MEDIA = {".mp4", ".mov", ".avi", ".mkv", ".mp3", ".wav", ".svg"}
OTHERS = {".lnk", ".url", "readme", "license", "licence", "copying", "notice"}
NOT_IMAGES = (
    TEXTS | DOCUMENTS | PROGRAMS | ARRAYS | ARCHIVES | MEDIA | OTHERS
)  # and whole names without a suffix
HEAD = 16  # bytes that tell the type of a file
SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|BM|II[*+]\x00|MM\x00[*+]|RIFF....WEBP|P[1-6]\s|\x00\x00\x01\x00|qoif"
    rb"|\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  |....ftyp(avi[fs]|mif1|msf1|he[iv][cmsx])",
    re.DOTALL,
)
HEIC = re.compile(rb"....ftyp(mif1|msf1|he[iv][cmsx])", re.DOTALL)  # phones' photos, which Pillow lacks


def is_image_name(name: str) -> bool:
    """Whether the suffix of a file is that of an image."""
    return os.path.splitext(name.lower())[1] in IMAGES


def is_ignored(name: str) -> bool:
    """Whether to skip a file without a note: hidden, made by the system, or clearly not an image."""
    stem, suffix = os.path.splitext(os.path.basename(name).lower())
    return is_hidden(name) or (suffix or stem) in NOT_IMAGES


def is_hidden(name: str) -> bool:
    """Whether a part of a path is hidden or made by the system."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def is_heic(data: bytes) -> bool:
    """Whether the bytes of a file begin like those of a HEIC photo."""
    return HEIC.match(data) is not None


def is_image_head(head: bytes) -> bool:
    """Whether the first `HEAD` bytes of a file are those of an image; a TGA has none that tell."""
    return SIGNATURES.match(head) is not None
