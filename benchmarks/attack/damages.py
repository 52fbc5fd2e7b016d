"""What can be wrong in a run's folder; each damage changes the run at `path` as its random numbers say."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import load_file, save_file

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 7, 1.5, -0.5, 1e308, float("nan"), float("inf"), 10**6, 10**12, 10**30, -(10**30),
    "", "x", "1", "nan", "üñ", "日本", "../../..", "a b", "\x00", "\n", "\ud800", "x" * 10_000, [], [[]], {},
    {"a": {"b": []}}, [1, -28, 28], [0, 0, 0], [28, 28], [1] * 1000, ["x"], [None], "vae", "digits",
    "shapes",
)  # fmt: skip
MODELS = (
    "evil:Evil", "evil", "runs.bad.evil:Evil", "bad.evil:Evil", ".evil:Evil", "..evil:Evil", "os:system",
    "antigravity:X", "limner.cli:main", "limner.models.base:Model", "limner.models.vae:VAE", ":", "vae:",
    "vae", "gan", "wae", "VAE", " vae", "builtins:exec", "limner.models.vae:VAE.Options", "this:s",
    "/tmp/x:Y", "a/b:C",
)  # fmt: skip

ODD_NAMES = (  # in samples/
    "0.png", "000000700.png", "-00000001.png", "999999999999999999.png", "000000500.png/x", "ü\n.png",
    ".5.png", "000000000.PNG", "٣٣٣٣٣٣٣٣٣.png", ".000000000.123.png/x", "../.run.99.json/x",
)  # fmt: skip


class Payload:
    """Pickled, it creates a file where it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to every value in nested tables and lists."""
    pairs = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    return [place for key, value in pairs for place in ((*path, key), *places(value, (*path, key)))]


def change(content: Any, rng: Random, values: tuple[Any, ...]) -> Any:
    """Set, remove or add a value somewhere."""
    if rng.random() < 0.05 or not places(content):
        return rng.choice(values)
    *path, last = rng.choice(places(content))
    table = content
    for key in path:
        table = table[key]
    action = rng.random()
    if action < 0.7:
        table[last] = rng.choice(values)
    elif action < 0.9:
        del table[last]
    elif isinstance(table, dict):
        table[rng.choice(("extra", "shape", "", "self", "cls", "__class__"))] = rng.choice(values)
    return content


def damage_record(path: Path, rng: Random, marker: Path) -> None:
    """Some values of run.json."""
    content = json.loads((path / "run.json").read_text())
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        content = change(content, rng, VALUES)
    (path / "run.json").write_text(json.dumps(content))


def damage_model(path: Path, rng: Random, marker: Path) -> None:
    """Another model, whose module lies about everywhere."""
    content = json.loads((path / "run.json").read_text())
    content["model"] = rng.choice(MODELS)
    (path / "run.json").write_text(json.dumps(content))
    code = f"open({str(marker)!r}, 'w').close()\nfrom limner.models.vae import VAE as Evil\n"
    for folder in (path, path.parent, path.parents[1]):
        (folder / "evil.py").write_text(code)
        (folder / "__init__.py").write_text(code)


def damage_bytes(path: Path, rng: Random, marker: Path) -> None:
    """The bytes of a file: cut, flipped, replaced, doubled, empty."""
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    file = rng.choice(files)
    file.write_bytes(mutate(file.read_bytes(), rng))


def mutate(data: bytes, rng: Random) -> bytes:
    """Bytes that are cut, flipped, replaced, doubled or gone."""
    action, at = rng.randrange(7), rng.randrange(len(data)) if data else 0
    if action == 0:
        return data[:at]
    if action == 1:
        changed = bytearray(data)
        for _ in range(min(len(data), rng.choice((1, 4, 64)))):
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if action == 2:
        return data[:at] + rng.randbytes(rng.choice((1, 8, 300))) + data[at + 8 :]
    if action == 3:
        return data + data
    if action == 4:
        return rng.choice(
            (b"", b"\x00" * 100, b"\xff\xfe{}", b"[" * 100_000, b"1" * 10_000, b"null", b"{}", b"[]")
        )
    if action == 5:
        head = bytearray(data)
        for i in range(min(len(head), rng.choice((4, 8, 16)))):
            head[i] = rng.choice((0, 255, rng.randrange(256)))
        return bytes(head)
    return data[at:]


def damage_state(path: Path, rng: Random, marker: Path) -> None:
    """Some values of state.pt."""
    content = torch.load(path / "state.pt", weights_only=True)
    tensors = (
        torch.zeros(0), torch.zeros(3), torch.full((2, 2), torch.nan), torch.tensor(5),
        torch.tensor("x" == "y"), torch.zeros(5, dtype=torch.uint8), torch.full((), torch.inf),
        torch.zeros(1, dtype=torch.complex64),
    )  # fmt: skip
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = change(content, rng, (*VALUES, *tensors, *tensors))
    torch.save(content, path / "state.pt")


def damage_with_code(path: Path, rng: Random, marker: Path) -> None:
    """A file that is, or holds, a pickle with code."""
    name = rng.choice(("state.pt", "weights.safetensors", "evaluation.npz", "run.json", "log.jsonl"))
    payload = Payload(marker)
    action = rng.randrange(3)
    if action == 0:
        (path / name).write_bytes(pickle.dumps(payload))
    elif action == 1 and (path / "state.pt").exists():
        content = torch.load(path / "state.pt", weights_only=True)
        content[rng.choice(list(content))] = payload
        torch.save(content, path / name)
    else:
        import numpy as np

        with open(path / name, "wb") as file:
            np.savez(
                file, samples=np.array([payload], dtype=object), images=np.array([payload], dtype=object)
            )


def damage_weights(path: Path, rng: Random, marker: Path) -> None:
    """Tensors of the weights file: not finite, of another type or shape, gone, of another name."""
    from safetensors import safe_open

    file = path / "weights.safetensors"
    with safe_open(file, framework="pt") as opened:
        metadata = dict(opened.metadata() or {})
    tensors = load_file(file)
    name = rng.choice(list(tensors))
    value = tensors.pop(name)
    changes: list[Callable[[], dict[str, torch.Tensor]]] = [
        lambda: {name: torch.full_like(value, rng.choice((0, 1, -1)))},
        lambda: {name: value.double() * rng.choice((torch.nan, torch.inf, 1e300, -1e30, 1e7))},
        lambda: {name: (value.float() * rng.choice((torch.nan, torch.inf, 1e30, 1e7, -1e5))).to(value.dtype)},
        lambda: {name: value.to(rng.choice((torch.int64, torch.float16, torch.bool, torch.uint8)))},
        lambda: {name: value.reshape(-1)[:-1].clone()},
        lambda: {name: torch.zeros(0)},
        lambda: {name: torch.zeros(*value.shape, 2)},
        dict,
        lambda: {f"{name}x": value, name: value.clone()},
        lambda: {rng.choice(("", "x", "ü", "__metadata", "self")): value},
    ]
    tensors |= rng.choice(changes)()
    if rng.random() < 0.3:
        metadata = rng.choice(({}, {"images_seen": "-5"}, {"images_seen": "x"}, {"images_seen": str(10**30)}))
    save_file(tensors, file, metadata)


def damage_log(path: Path, rng: Random, marker: Path) -> None:
    """Lines of the log: values of other types, foreign lines, an order that no training has."""
    lines = (path / "log.jsonl").read_text().splitlines()
    at, action = rng.randrange(len(lines)), rng.randrange(5)
    if action == 0:
        lines[at] = json.dumps(change(json.loads(lines[at]), rng, VALUES))
    elif action == 1:
        lines.insert(
            at, rng.choice(("", "5", "hello", "[]", "null", '{"images": 7}', "{" * 5000, '{"images": NaN}'))
        )
    elif action == 2:
        rng.shuffle(lines)
    elif action == 3:
        lines = lines * rng.choice((0, 2, 50))
    else:
        content = {name: rng.choice((0, 1, -1, 1e300, 5)) for name in json.loads(lines[at])}
        lines[at] = json.dumps(content | {"images": rng.choice((0, 1, 600, 10**15))})
    (path / "log.jsonl").write_text("\n".join(lines) + "\n")


def damage_evaluation(path: Path, rng: Random, marker: Path) -> None:
    """Values of evaluation.json."""
    content = json.loads((path / "evaluation.json").read_text())
    for _ in range(rng.choice((1, 2, 6))):
        content = change(content, rng, VALUES)
    (path / "evaluation.json").write_text(json.dumps(content))


def damage_folder(path: Path, rng: Random, marker: Path) -> None:
    """Files that are missing, folders or links in their place, and files that are nobody's."""
    names = [
        "run.json",
        "log.jsonl",
        "state.pt",
        "weights.safetensors",
        "samples",
        "evaluation.json",
        ".lock",
    ]
    target, action = path / rng.choice(names), rng.randrange(6)
    if action < 5:
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
    if action == 1:
        target.mkdir()
    elif action == 2:
        target.symlink_to(target.name)  # a loop
    elif action == 3:
        target.symlink_to(path.parent)
    elif action == 4:
        target.write_text("x")
    elif action == 5:
        for name in rng.sample(ODD_NAMES, 3):
            (path / "samples" / name).parent.mkdir(exist_ok=True)
            (path / "samples" / name).write_text("x")


DAMAGES: dict[str, Callable[[Path, Random, Path], None]] = {
    "record": damage_record,
    "record of another shape": damage_record,
    "model": damage_model,
    "bytes": damage_bytes,
    "state": damage_state,
    "code": damage_with_code,
    "weights": damage_weights,
    "log": damage_log,
    "evaluation": damage_evaluation,
    "folder": damage_folder,
}
