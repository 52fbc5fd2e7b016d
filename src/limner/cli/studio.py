"""limner studio"""

from __future__ import annotations

import importlib.util
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from limner.cli.arguments import optional
from limner.cli.parsing import call
from limner.errors import LimnerError

NEEDED = ("starlette", "uvicorn", "websockets")
RUNS = Path("runs")
Folder = Annotated[
    Path, Positional, optional(metavar="[RUNS]", help="a folder of runs, or one run; default: runs/")
]
Images = Annotated[
    tuple[Path, ...],
    optional(
        metavar="FOLDER...",
        help="folders whose images new runs may be trained on; default: the current folder",
    ),
]
Port = Annotated[int | None, optional(metavar="N", help="the port; default: 8600, or a free one")]
NoOpen = Annotated[bool, optional(help="print the address only, and open no browser")]


def main(argv: Sequence[str]) -> None:
    call(studio, argv)


def studio(
    folder: Folder = RUNS,
    /,
    *,
    images: Images = (Path("."),),
    port: Port = None,
    no_open: NoOpen = False,
) -> None:
    """Look at runs, their training and their codes in the browser, on this machine alone.

    The page is at the address that is printed, and shows what lies in RUNS, live.  Ctrl-C ends it; trainings
    go on.
    """
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise LimnerError(f"the studio needs {', '.join(missing)}: pip install 'limner[studio]'")
    folder = folder.expanduser()
    if folder == RUNS:
        folder.mkdir(exist_ok=True)
    if not folder.is_dir():
        raise LimnerError(f"there is no folder {folder}: make it, or leave RUNS out, for runs/")
    images = tuple(each.expanduser() for each in images)
    for each in images:
        if not each.is_dir():
            raise LimnerError(f"--images: there is no folder {each}")
    if port is not None and not 0 <= port < 2**16:
        raise LimnerError(f"--port must be from 0 to 65535, not {port}")
    from limner.studio.serve import serve

    def announce(address: str) -> None:
        print(f"the studio of {folder} is at\n{address}\nCtrl-C ends it", flush=True)
        if not no_open:
            webbrowser.open(address)

    serve(folder, images, port, announce)
