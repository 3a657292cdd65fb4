"""`utal simulate`: a corpus of planted actions as a feature pack, with its truth beside it."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from utal.cli.console import console, say
from utal.cli.run import Seed

if TYPE_CHECKING:  # heavy: `utal --help` must answer at once
    from utal.simulate import Timing


def simulate(
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder for the corpus.")],
    world: Annotated[str, typer.Option("--world", help="Where the knobs start.")] = "default",
    seed: Seed = 0,
    settings: Annotated[
        list[str], typer.Option("--set", help="Change a knob, as in num_classes=5; repeatable.")
    ] = [],  # noqa: B006  typer reads the default, nobody changes it
    timing: Annotated[
        Path | None,
        typer.Option("--timing", help="Real annotation in ActivityNet's format to take times of."),
    ] = None,
    durations: Annotated[
        Path | None,
        typer.Option("--durations", help="Table video,duration_s, for annotations without."),
    ] = None,
    train_subset: Annotated[
        str, typer.Option("--train-subset", help="Subset of the annotation to learn from.")
    ] = "train",
    test_subset: Annotated[
        str, typer.Option("--test-subset", help="Subset of the annotation to score on.")
    ] = "test",
) -> None:
    """Invent a corpus of planted actions with known truth, as features."""
    from utal.errors import ConfigError
    from utal.simulate import simulate as simulated_of
    from utal.simulate import write
    from utal.simulate.world import TIMING_KNOBS, with_knobs, world_named

    if timing is None and durations is not None:
        raise ConfigError("--durations goes with --timing")
    idle = [name for name in TIMING_KNOBS if any(s.startswith(f"{name}=") for s in settings)]
    if timing is not None and idle:
        raise ConfigError(f"--set {idle[0]}: with --timing, the annotation decides that")
    knobs = with_knobs(world_named(world), settings)
    given = None if timing is None else timing_of(timing, durations, train_subset, test_subset)
    simulated = simulated_of(knobs, seed=seed, timing=given)
    write(simulated, out)
    say(
        console(),
        [
            f"{len(simulated.timing.train)} videos to learn from, {len(simulated.timing.test)} to "
            f"be scored on, {len(simulated.timing.class_names)} classes",
            f"Features: {out} (--subset train or test)",
            f"Truth: {out / 'truth.json'}",
            f"Video labels: {out / 'labels.csv'}",
        ],
    )


def timing_of(
    annotation: Path, durations: Path | None, train_subset: str, test_subset: str
) -> "Timing":
    """The timing of both subsets of an annotation file.

    Raises:
        DataError: a file is not what it has to be.
    """
    from utal.errors import DataError
    from utal.formats.activitynet import read_json
    from utal.simulate import Timing, timing_from

    content, _ = read_json(annotation)
    lengths = {} if durations is None else read_durations(durations)
    try:
        return Timing(
            timing_from(content, train_subset, lengths), timing_from(content, test_subset, lengths)
        )
    except DataError as error:
        raise DataError(f"{annotation}: {error}") from error


def read_durations(path: Path) -> dict[str, float]:
    """Seconds of each video, from a table `video,duration_s`; more columns are ignored.

    Raises:
        DataError: no such table, or a duration that is not a number.
    """
    from utal.errors import DataError
    from utal.formats.activitynet import finite

    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot read the table of durations ({error})") from error
    if not rows or not {"video", "duration_s"} <= rows[0].keys():
        raise DataError(f"{path}: expected a CSV table with the columns video,duration_s")
    lengths = {}
    for line, row in enumerate(rows, start=2):
        seconds = finite(row["duration_s"])
        if seconds is None:
            raise DataError(f"{path}:{line}: expected seconds, found {row['duration_s']!r}")
        lengths[row["video"]] = seconds
    return lengths
