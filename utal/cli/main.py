"""The `utal` command: one verb per function of the library, errors in one line, exit code 2."""

import errno
import signal
import sys
from types import FrameType

import typer

from utal.cli import research, run, simulating
from utal.errors import ConfigError, DataError

app = typer.Typer(
    name="utal",
    help="Find recurring actions in untrimmed videos without labels.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run.discover)
app.command()(run.demo)
app.command()(run.probe)
app.command()(run.extract)
app.command()(research.show)
app.command()(research.train)
app.command()(research.localize)
app.command()(research.evaluate)
app.command()(simulating.simulate)


def main() -> None:
    """Runs the command line; every error a user can cause becomes one line and exit code 2."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        app()
    except (DataError, ConfigError) as error:
        _fail(str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _fail(
                f"the disk is full ({error.filename or 'while writing'}); free some space and go "
                "on with --resume"
            )
        if error.filename is None:
            raise
        _fail(f"{error.filename}: {error.strerror}")


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    """A scheduler's SIGTERM stops a run as Ctrl-C does: between files, never inside one."""
    raise KeyboardInterrupt


def _fail(message: str) -> None:
    line = " ".join(message.split())
    print(f"utal: error: {line}", file=sys.stderr)
    sys.exit(2)
