"""limner studio: its mistakes, and one process that serves a folder until it is interrupted."""

from __future__ import annotations

import importlib.util
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from limner.cli import run


def mistake(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["studio", *words]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    return error


def test_without_the_extra_one_line_says_how_to_install_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "the studio needs starlette, uvicorn, websockets: pip install 'limner[studio]'" in mistake(capsys)


def test_mistakes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("starlette", reason="needs the extra 'studio'")
    assert "there is no folder nothing: make it" in mistake(capsys, "nothing")
    (tmp_path / "file").write_text("")
    assert "there is no folder file" in mistake(capsys, "file")
    assert "--images: there is no folder pictures" in mistake(capsys, "--images", "pictures")
    assert "--port must be from 0 to 65535, not 99999" in mistake(capsys, "--port", "99999")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} cannot be used" in mistake(capsys, "--port", str(port))


def test_it_serves_until_it_is_interrupted() -> None:
    pytest.importorskip("starlette", reason="needs the extra 'studio'")
    command = [sys.executable, "-m", "limner", "studio", "--port", "0", "--no-open"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        address = re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}\n", "".join(lines))
        assert address is not None, lines
        with urllib.request.urlopen(address[0].strip(), timeout=20) as answer:
            assert "<title>Limner studio</title>" in answer.read().decode()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address[0].partition("?")[0], timeout=20)
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode in (0, 130)
    assert "Traceback" not in errors
