"""What the folders of a source say about its files: the split and the class of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from limner.data.split import printable

DOMAIN_FOLDERS = {"trainA", "trainB", "testA", "testB"}
TRAIN_FOLDERS = ("train", "training", "Train", "Training")
TEST_FOLDERS = ("test", "testing", "Test", "Testing", "val", "valid", "validation")


@dataclass(frozen=True)
class Layout:
    """For each file: whether it is used, whether it is in the test folder, and the name of its class."""

    used: list[bool]
    in_test: list[bool] | None  # None: the folders define no split
    classes: list[str | None]
    notes: tuple[str, ...] = ()

    def subset(self, index: Sequence[int]) -> Layout:
        """The layout of the files at these positions, with the same notes."""
        used, classes = [self.used[i] for i in index], [self.classes[i] for i in index]
        in_test = None if self.in_test is None else [self.in_test[i] for i in index]
        return Layout(used, in_test, classes, self.notes)


def read_layout(names: Sequence[str]) -> Layout:
    """Read train/ and test/ (or val/), or trainA/ trainB/ testA/ testB/, and one sub-folder per class."""
    parts = _unwrap([name.split("/") for name in names])
    split = _split_folders({path[0] for path in parts if len(path) > 1})
    if not split:
        return Layout([True] * len(parts), None, [path[0] if len(path) > 1 else None for path in parts])
    used: list[bool] = []
    in_test: list[bool] = []
    classes: list[str | None] = []
    for path in parts:
        is_used = len(path) > 1 and path[0] in split
        is_test, label = split[path[0]] if is_used else (False, None)
        if is_used and label is None and len(path) > 2:
            label = path[1]
        used.append(is_used)
        in_test.append(is_test)
        classes.append(label)
    tests = in_test if any(in_test) else None  # none: trainA and trainB alone
    unused = [name for name, is_used in zip(names, used, strict=True) if not is_used]
    if not unused:
        return Layout(used, tests, classes)
    folders = " and ".join(sorted(split))
    note = f"{len(unused)} files outside {folders} left out, such as {printable(unused[0])}"
    return Layout(used, tests, classes, (note,))


def _unwrap(parts: list[list[str]]) -> list[list[str]]:
    """Paths without the outer folders that hold nothing but one other folder."""
    while parts and all(len(path) > 2 and path[0] == parts[0][0] for path in parts):
        parts = [path[1:] for path in parts]
    return parts


def _split_folders(top: set[str]) -> dict[str, tuple[bool, str | None]]:
    """Folder -> (whether it is test, its class, if any), if the top folders are a split; otherwise {}."""
    if {"trainA", "trainB"} <= top:
        return {folder: (folder.startswith("test"), folder[-1]) for folder in top & DOMAIN_FOLDERS}
    train = next((folder for folder in TRAIN_FOLDERS if folder in top), None)
    test = next((folder for folder in TEST_FOLDERS if folder in top), None)
    return {train: (False, None), test: (True, None)} if train and test else {}
