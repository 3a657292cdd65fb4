"""What a user sees while work goes on: bars on a terminal, plain lines in a pipe."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[str], None]
PLAIN_INTERVAL_S = 5.0  # a pipe gets at most one line of counting in this time


@contextlib.contextmanager
def stage(console: Console, title: str, total: int) -> Iterator[Advance]:
    """A stage of `total` pieces of work; call what it yields once per finished piece."""
    if not console.is_terminal:
        yield _plain(console, title, total)
        return
    with _bars(console) as bars:
        task = bars.add_task(title, total=total)
        yield lambda text: bars.update(task, advance=1, description=f"{title} {text}".rstrip())


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _plain(console: Console, title: str, total: int) -> Advance:
    """Counts in plain lines: the first, the last, and one every few seconds."""
    count, told = 0, 0.0

    def advance(text: str) -> None:
        nonlocal count, told
        count += 1
        now = time.monotonic()
        if count in (1, total) or now - told > PLAIN_INTERVAL_S:
            told = now
            console.print(f"{title} {count}/{total} {text}".rstrip(), markup=False, highlight=False)

    return advance


class _Steps(logging.Handler):
    """Turns the log of training steps into progress; everything else is left to other handlers."""

    def __init__(self, advance: Callable[[int, int, float], None]) -> None:
        super().__init__()
        self._advance = advance

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and len(record.args) == 3:
            step, steps, loss = record.args
            self._advance(int(str(step)), int(str(steps)), float(str(loss)))


@contextlib.contextmanager
def training(console: Console, num_rounds: int, done: int) -> Iterator[None]:
    """Shows the steps of all rounds that are still to come, as `utal.fitting` logs them."""
    current, told = done, 0.0
    with contextlib.ExitStack() as stack:
        bars = None
        if console.is_terminal:
            bars = stack.enter_context(_bars(console))
            task = bars.add_task(f"Learning, round {current + 1} of {num_rounds}", total=None)

        def advance(step: int, steps: int, loss: float) -> None:
            nonlocal current, told
            title = f"Learning, round {current + 1} of {num_rounds}"
            if bars is not None:
                bars.update(task, description=title, completed=step, total=steps)
            elif step == steps or time.monotonic() - told > PLAIN_INTERVAL_S:
                told = time.monotonic()
                console.print(f"{title}: step {step}/{steps}, loss {loss:.4f}", highlight=False)
            if step == steps:
                current += 1

        handler = _Steps(advance)
        logger = logging.getLogger("utal.fitting")
        logger.addHandler(handler)
        stack.callback(logger.removeHandler, handler)
        yield


@contextlib.contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Appends everything the package logs to a file while the block runs."""
    logger = logging.getLogger("utal")
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        handler.close()
