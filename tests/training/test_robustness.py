"""What an attack on a run must not achieve: foreign code, two writers, a lost start, stored infinities."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pickle
import pty
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import start, wait_for
from small import small
from small import words as as_words

import limner
from limner import files
from limner.cli import run as cli
from limner.data import Dataset
from limner.data.stream import Stream
from limner.errors import LimnerError
from limner.files import write_atomically, write_json
from limner.models import create
from limner.models.vae import VAE
from limner.training import NotFinite, Trainer, trust
from limner.training.checkpoint import read_state, read_weights, write_weights
from limner.training.lock import RunLock
from limner.training.log import append_line
from limner.training.trainer import Updater

TINY: dict[str, Any] = {"images": 500, "batch": 50, "quiet": True}
PAYLOAD = """
from pathlib import Path
Path("trace").write_text("code ran")
from limner.models.vae import VAE as X
"""
needs_hangup = pytest.mark.skipif(
    not hasattr(signal, "SIGHUP") or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN,
    reason="no SIGHUP on this platform, or it is ignored, as under nohup",
)


def mistake(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command that cannot be done says: exit code 2 and one line."""
    assert cli(list(words)) == 2
    text = capsys.readouterr().err
    assert len(text.splitlines()) == 1, text
    assert text.startswith("limner: error: ")
    return text


def change(run: Path, **values: Any) -> None:
    """Change keys of run.json."""
    path = run / "run.json"
    write_json(path, json.loads(path.read_text()) | values)


# -- code from elsewhere -----------------------------------------------------------------------------------
@pytest.fixture
def foreign(copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A run from elsewhere whose model is code in its own folder, two folders below the current one."""
    run = tmp_path / "runs" / "gift"
    shutil.copytree(copy, run)
    (run / "payload.py").write_text(PAYLOAD)
    (tmp_path / "payload.py").write_text(PAYLOAD)
    change(run, model="payload:X")
    monkeypatch.setattr(sys, "path", [str(run), *sys.path])
    yield run
    sys.modules.pop("payload", None)


@pytest.mark.parametrize(
    "words",
    [
        ["sample"],
        ["reconstruct"],
        ["summary"],
        ["doctor"],
        ["evaluate", "--quick"],
        ["train", "--resume", "--images", "2100", "--out"],
        ["train", "--config"],
    ],
    ids=lambda words: words[0] + words[-1],
)
def test_opening_a_run_from_elsewhere_runs_none_of_its_code(
    words: list[str], foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if words[0] == "train" and "--resume" in words:
        with pytest.raises(LimnerError, match="LIMNER_TRUST=payload:X"):
            limner.train(out=foreign, resume=True, images=2100, quiet=True)
    else:
        text = mistake(
            capsys, words[0], *(words[1:] if words[0] == "train" else []), str(foreign), *words[2:]
        )
        assert "'payload:X'" in text
        assert "LIMNER_TRUST=payload:X" in text
        assert "trust=True" in text
    assert not (tmp_path / "trace").exists()


def test_a_run_from_elsewhere_opens_where_the_user_asks_for_it(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMNER_TRUST", "other:Y")
    with pytest.raises(LimnerError, match="was not trained here"):
        _ = limner.load(foreign).model
    monkeypatch.setenv("LIMNER_TRUST", "other:Y,payload:X")
    assert limner.load(foreign).model.sample(2).shape == (2, 1, 28, 28)
    monkeypatch.delenv("LIMNER_TRUST")
    with pytest.raises(LimnerError, match="was not trained here"):
        _ = limner.load(foreign).model
    assert limner.load(foreign, trust=True).model.sample(2).shape == (2, 1, 28, 28)
    assert (tmp_path / "trace").exists()


def test_a_run_trained_here_is_trusted_where_it_is_and_not_where_it_is_copied(
    digits: Dataset, tmp_path: Path
) -> None:
    run = limner.train("new_models:VQVAE", digits, out="mine", entries=8, **TINY)
    assert run.model.sample(2).shape == (2, 1, 28, 28)
    assert limner.load("mine").model.sample(2).shape == (2, 1, 28, 28)
    assert limner.train(out="mine", resume=True, images=600, quiet=True).images_seen == 600
    assert limner.load("mine").new_model().shape == (1, 28, 28)
    assert cli(["doctor", "mine", "--quiet"]) == 0
    shutil.copytree("mine", "elsewhere")
    with pytest.raises(LimnerError, match="was not trained here"):
        _ = limner.load("elsewhere").model
    change(tmp_path / "mine", model="new_models:FlowMatching")
    with pytest.raises(LimnerError, match="was not trained here"):
        _ = limner.load("mine").model


def test_resuming_by_name_trusts_the_named_model(digits: Dataset) -> None:
    limner.train("new_models:VQVAE", digits, out="mine", entries=8, **TINY)
    (trust.cache.root() / "trusted-runs.jsonl").write_text("not a line of ours\n5\n")
    with pytest.raises(LimnerError, match="was not trained here"):
        limner.train(out="mine", resume=True, images=600, quiet=True)
    limner.train("new_models:VQVAE", out="mine", resume=True, images=600, quiet=True)
    assert limner.load("mine").model.sample(2).shape == (2, 1, 28, 28)


def test_no_other_file_takes_the_class_of_a_run_by_name() -> None:
    source = Path(limner.__file__).parent
    users = {path.name for path in source.rglob("*.py") if "model_class(run.config" in path.read_text()}
    assert not users, "Run.model_class asks whether the user trusts it"


def test_torch_never_advises_to_run_the_code_in_a_state(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"model": Path("x")}, copy / "state.pt")  # a class that is not allowed
    text = mistake(capsys, "train", "vae", "--resume", "--images", "4000", "--out", str(copy), "--quiet")
    assert "weights_only" not in text
    assert "damaged or not ours" in text


def test_a_foreign_pickle_is_refused_without_torchs_warnings(
    copy: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    (copy / "state.pt").write_bytes(pickle.dumps(Path("x"), protocol=4))
    text = mistake(capsys, "train", "vae", "--resume", "--images", "4000", "--out", str(copy), "--quiet")
    assert "damaged or not ours" in text
    assert not [warning for warning in recwarn if "pickle" in str(warning.message)]


# -- two writers -------------------------------------------------------------------------------------------
def test_a_second_process_is_refused_and_the_lock_dies_with_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = start("train", "vae", "--images", "50000000", "--out", "run", "--save-seconds", "0", "--quiet")
    wait_for(tmp_path / "run" / "log.jsonl", first)
    resume = ["train", "vae", "--resume", "--out", "run", "--images", "60000000", "--quiet"]
    text = mistake(capsys, *resume)
    assert f"in training in another process ({first.pid})" in text
    assert limner.load("run").config.training.images == 50_000_000, "the second changed nothing"
    assert "is a run already" in mistake(capsys, "train", "vae", "--out", "run")
    first.kill()
    first.join()
    seen = read_state(tmp_path / "run" / "state.pt")["images_seen"]
    run = limner.train(out="run", resume=True, images=seen + 500, quiet=True)
    assert run.images_seen >= seen + 500
    images = [line["images"] for line in run.log]
    assert images == sorted(set(images))
    assert not (run.path / ".lock").exists()


def test_a_lock_is_free_once_released(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(LimnerError, match="in training in another process"):
        RunLock(tmp_path)
    RunLock(tmp_path).release()
    assert not list(tmp_path.iterdir())


def test_a_prior_is_not_stored_while_another_process_trains(digits: Dataset) -> None:
    run = limner.train("autoencoder", digits, **TINY)
    before = (run.path / "weights.safetensors").read_bytes()
    with RunLock(run.path):
        run.model.latent.prior("gaussian")
    assert (run.path / "weights.safetensors").read_bytes() == before


# -- the beginning -----------------------------------------------------------------------------------------
def test_a_folder_with_what_a_killed_process_left_is_empty(digits: Dataset, tmp_path: Path) -> None:
    for folder in (tmp_path / "mine", tmp_path / "runs" / "vae-digits-0001"):
        folder.mkdir(parents=True)
        (folder / ".run.4711.json").write_text("{")
        (folder / ".lock").write_text("4711")
    with pytest.raises(LimnerError, match="holds no run to resume: train without --resume"):
        limner.train(out="mine", resume=True)
    assert limner.train("vae", digits, out="mine", **TINY).images_seen == 500
    assert limner.train("vae", digits, **TINY).name == "vae-digits-0001"
    assert not list((tmp_path / "mine").glob(".*"))


def test_killed_at_any_moment_of_its_beginning_it_leaves_nothing_or_a_whole_run(tmp_path: Path) -> None:
    """Killed before or after a file comes into its place: it goes on, or begins anew, to its own length."""
    words = ["train", "vae", "--images", "100", "--batch", "50", "--out", "run", "--quiet"]
    for moment in range(8):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        process = os.fork()
        if not process:
            die_at(moment)
            os._exit(cli(words))
        os.waitpid(process, 0)
        if (tmp_path / "run" / "run.json").exists():
            assert limner.load("run").config.training.images == 100
            run = limner.train(out="run", resume=True, quiet=True)
        else:
            run = limner.train("vae", "digits", out="run", **TINY | {"images": 100})
        assert run.images_seen == 100
        assert not list(run.path.glob(".*"))


def die_at(moment: int) -> None:
    """Kill this process at the n-th move of a file into its place, before it (even n) or after it (odd n)."""
    moves = iter(range(1000))
    replace = os.replace

    def replace_and_die(source: Any, target: Any) -> None:
        move = next(moves)
        if move == moment // 2 and moment % 2 == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)
        if move == moment // 2:
            os.kill(os.getpid(), signal.SIGKILL)

    files.os.replace = replace_and_die  # type: ignore[attr-defined]


def test_a_run_that_was_killed_before_its_last_picture_has_it_once_resumed(
    digits: Dataset, tmp_path: Path
) -> None:
    whole = limner.train("vae", digits, out="whole", latent_dim=2, **TINY).path
    cut = Path(shutil.copytree(whole, tmp_path / "cut"))
    (cut / "samples" / "000000500.png").unlink()
    limner.train(out=cut, resume=True, quiet=True)
    for name in ("samples/000000500.png", "weights.safetensors", "log.jsonl"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_a_failed_start_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, text: str) -> None:
        raise LimnerError("the disk is full")

    monkeypatch.setattr("limner.train_run.write_text", fail)
    with pytest.raises(LimnerError, match="full"):
        limner.train("vae", "digits", **TINY)
    assert not list((tmp_path / "runs").iterdir())


# -- divergence --------------------------------------------------------------------------------------------
def all_finite(value: Any) -> bool:
    """Whether every number in a state is finite."""
    if isinstance(value, torch.Tensor):
        return bool(value.isfinite().all())
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else []
    return all(all_finite(part) for part in parts)


def test_a_diverged_run_is_not_stored_as_healthy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = ["--lr", "1e6", "--images", "2000", "--data", "digits", "--quiet", "--out", "run"]
    text = mistake(capsys, "train", "cgan", *line, *as_words(small("cgan")))
    assert "became" in text
    weights, _ = read_weights(tmp_path / "run" / "weights.safetensors")
    assert all_finite(weights)
    assert all_finite(read_state(tmp_path / "run" / "state.pt"))
    capsys.readouterr()
    assert cli(["doctor", "run"]) == 0
    assert "not finite" in capsys.readouterr().out.splitlines()[0]


def test_an_absurd_loss_is_not_finite(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss grows by a factor at each step, without an infinite number anywhere."""

    def step(self: VAE, data: Iterator[Any], update: Updater) -> dict[str, torch.Tensor]:
        loss = self.loss(*next(data))[0]
        update("main", loss - loss.detach() + 10.0**update.iteration)
        return {}

    monkeypatch.setattr(VAE, "step", step)
    with pytest.raises(NotFinite, match=r"loss/main became 1e\+09 at step 10"):
        limner.train("vae", digits, out="run", latent_dim=2, **TINY)
    assert limner.load("run").images_seen == 0


@pytest.mark.parametrize("place", ["buffer", "average", "moment", "large"])
def test_everything_that_is_stored_must_be_finite(place: str, digits: Dataset) -> None:
    trainer = Trainer(create("dcgan", (1, 28, 28), **small("dcgan")), Stream(digits.train, 16))
    next(trainer)
    trainer.check_finite()
    moments = next(iter(trainer.optimizers["G"].state.values()))
    targets = {
        "buffer": next(b for b in trainer.model.buffers() if b.is_floating_point()),
        "average": next(iter(trainer.averages.values())),
        "moment": moments["exp_avg_sq"],
        "large": next(trainer.model.parameters()).detach(),
    }
    targets[place].fill_(1e30 if place == "large" else torch.inf)
    with pytest.raises(NotFinite, match="became infinite"):
        trainer.check_finite()


# -- signals and the disk ----------------------------------------------------------------------------------
@needs_hangup
def test_a_hangup_saves_first(tmp_path: Path) -> None:
    process = start("train", "autoencoder", "--images", "50000000", "--save-seconds", "1000", "--out", "run")
    wait_for(tmp_path / "run" / "log.jsonl", process)
    os.kill(process.pid, signal.SIGHUP)
    process.join(60)
    assert process.exitcode == 128 + signal.SIGHUP
    assert read_state(tmp_path / "run" / "state.pt")["images_seen"] == limner.load("run").images_seen > 0


@needs_hangup
def test_a_closed_terminal_saves_first(tmp_path: Path) -> None:
    """A terminal that goes away sends SIGHUP, and from then on refuses what is printed."""
    words = ["train", "autoencoder", "--images", "50000000", "--save-seconds", "1000", "--out", "run"]
    process, terminal = pty.fork()
    if not process:
        os.execv(sys.executable, [sys.executable, "-m", "limner", *words])
    end = time.monotonic() + 120
    ended = False
    try:
        os.set_blocking(terminal, False)
        while not (tmp_path / "run" / "log.jsonl").exists():
            with contextlib.suppress(BlockingIOError):
                os.read(terminal, 10_000)
            time.sleep(0.02)
            assert time.monotonic() < end
        os.close(terminal)
        while not ended:
            ended = os.waitpid(process, os.WNOHANG)[0] != 0
            time.sleep(0.02)
            assert time.monotonic() < end
    finally:
        if not ended:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
    assert read_state(tmp_path / "run" / "state.pt")["images_seen"] == limner.load("run").images_seen > 0


def test_an_interrupt_says_what_is_saved_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "vae", "--images", "500", "--batch", "50", "--out", "run", "--quiet"]

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("limner.train_run.build_model", interrupt)
        assert cli(words) == 130
    assert capsys.readouterr().err == "limner: stopped\n"
    step = VAE.step

    def step_and_interrupt(self: VAE, data: Any, update: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return step(self, data, update)

    monkeypatch.setattr(VAE, "step", step_and_interrupt)
    assert cli(words) == 130
    assert capsys.readouterr().err == "limner: stopped; what was trained is saved, --resume continues\n"
    assert limner.load("run").images_seen == 50


def test_a_full_disk_is_told_in_our_words(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def fill(path: Path, content: Any) -> int:
        if path.suffix == ".pt":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(
        LimnerError, match=r"cannot write .*state\.pt: the disk is full; what was there"
    ) as error:
        limner.train(out=copy, resume=True, images=4000, quiet=True)
    assert "\n" not in str(error.value)
    if Path("/dev/full").exists():
        with pytest.raises(LimnerError, match="the disk is full"):
            write_atomically(tmp_path / "x.json", lambda _: Path("/dev/full").write_text("x" * 10_000))
        (tmp_path / "log.jsonl").symlink_to("/dev/full")
        with pytest.raises(LimnerError, match="the disk is full"):
            append_line(tmp_path / "log.jsonl", {"images": 5})


@pytest.mark.parametrize("floats", [10**11, 10**23])
def test_a_step_beyond_the_memory_is_one_line(
    floats: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VAE, "loss", lambda model, x, y: torch.empty(10 * floats))
    text = mistake(capsys, "train", "vae", "--images", "2000", "--quiet")
    assert "more memory than there is" in text


# -- equal runs, equal files -------------------------------------------------------------------------------
def test_equal_runs_give_equal_weights_files(digits: Dataset) -> None:
    one, two = (limner.train("gan", digits, out=name, **TINY).path for name in ("one", "two"))
    content = (one / "weights.safetensors").read_bytes()
    assert (two / "weights.safetensors").read_bytes() == content
    weights, images = read_weights(one / "weights.safetensors")
    for _ in range(20):  # the writer's hashes change from call to call
        write_weights(two / "weights.safetensors", weights, images)
        assert (two / "weights.safetensors").read_bytes() == content
