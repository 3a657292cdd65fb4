"""What all commands share: the console, interruption, and the input of a corpus."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:  # heavy: `utal --help` must answer at once
    from rich.console import Console


def console() -> "Console":
    """Standard output: bars and colour on a terminal, plain lines in a pipe."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def say(out: "Console", lines: Sequence[str], style: str = "") -> None:
    """Prints lines that may hold file names: nothing in them is markup."""
    for line in lines:
        out.print(line, style=style, markup=False)


@contextlib.contextmanager
def resumable(path: Path, how: str = "the same command and --resume") -> Iterator[None]:
    """Ctrl-C and SIGTERM end the command with a line that says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"utal: stopped; go on with {how} ({path})", flush=True)
        raise typer.Exit(130) from None
