"""The commands for people with footage: discover, demo, probe, extract."""

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from utal.cli.console import console, resumable, say

if TYPE_CHECKING:  # heavy: `utal --help` must answer at once
    from utal.discover import Discovery
    from utal.runs import Request

Source = Annotated[Path, typer.Argument(help="Folder of videos, one video, or a feature pack.")]
Classes = Annotated[int, typer.Option("--classes", "-k", help="How many actions to look for.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the run; made if missing.")]
MethodName = Annotated[str, typer.Option("--method", "-m", help="A method of `utal show`.")]
Seed = Annotated[int, typer.Option("--seed", help="Decides every random number.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Settings = Annotated[
    list[str], typer.Option("--set", help="Change a setting, as in selector.rate=0.5; repeatable.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")]
Workers = Annotated[
    int, typer.Option("--workers", min=0, help="Processes that read videos; 0: one per processor.")
]


def discover(
    source: Source,
    classes: Classes,
    out: Out,
    method: MethodName = "feel",
    seed: Seed = 0,
    device: Device = "auto",
    settings: Settings = [],  # noqa: B006  typer reads the default, nobody changes it
    resume: Resume = False,
    workers: Workers = 0,
) -> None:
    """Find recurring actions in videos or features; writes segments and a report."""
    from utal.discover import new_request

    request = new_request(source, method, settings, classes, seed)
    discovery = discovered(source, out, request, device=device, resume=resume, workers=workers)
    shown = console()
    say(shown, [f"Warning: {warning}" for warning in discovery.warnings], style="yellow")
    say(shown, [f"Segments: {out / 'segments.csv'}", f"Report: {out / 'report.html'}"])


def discovered(
    source: Path, out: Path, request: "Request", *, device: str, resume: bool, workers: int
) -> "Discovery":
    """The whole job with progress on the console; used by `discover` and `demo`."""
    from utal import discover as job
    from utal import progress, runs
    from utal.cli.reporting import write_run_report
    from utal.config import from_json

    shown, chosen = console(), job.chosen_device(device)
    job.check_source(source)
    runs.claim(out, request, resume=resume)
    with resumable(out), progress.log_file(out / "log.txt"):
        with contextlib.ExitStack() as stack:
            corpus, failures = job.corpus_of(
                source,
                out / "features",
                workers=workers or os.cpu_count() or 1,
                on_start=lambda count: stack.enter_context(
                    progress.stage(shown, "Watching videos", count)
                ),
                on_note=lambda note: say(shown, [f"Note: {note}"]),
            )
        say(shown, [f"Left out: {failure}" for failure in failures], style="yellow")
        num_rounds = from_json(request.method).num_rounds
        with progress.training(shown, num_rounds, runs.count_rounds(out)):
            run, last = job.train(out, corpus, request, device=chosen)
        discovery = job.look(run, last, corpus, failures, device=chosen)
        job.write_results(discovery)
        with progress.stage(shown, "Drawing the report", len(corpus)) as advance:
            write_run_report(discovery, on_progress=advance)
    return discovery


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for videos and run.")] = Path(
        "utal-demo"
    ),
    seed: Seed = 0,
    device: Device = "auto",
    resume: Resume = False,
    workers: Workers = 0,
) -> None:
    """The main job on embedded data: recordings composed from real human motion."""
    from utal.cli.demonstration import demonstrate

    demonstrate(
        out, seed=seed, device=device, resume=resume, workers=workers or os.cpu_count() or 1
    )


def probe(
    videos: Annotated[Path, typer.Argument(help="Folder of videos, or one video.")],
    full: Annotated[bool, typer.Option(help="Decode everything, to count bad packets.")] = True,
) -> None:
    """Say what is in video files, and what is broken. Exit code 1 if a file cannot be used."""
    from rich.table import Table
    from rich.text import Text

    from utal.video.probe import probe as probe_video
    from utal.video.sources import find_videos

    shown = console()
    table = Table("video", "length", "fps", "VFR", "codec", "size", "turn", "bad packets")
    problems = []
    for name, path in find_videos(videos):
        found = probe_video(path, name=name, full=full)
        if found.problem is not None:
            problems.append(found.problem)
        table.add_row(*map(Text, found.row()))
    shown.print(table)
    say(shown, [f"Broken: {problem}" for problem in problems], style="red")
    if problems:
        raise typer.Exit(1)


def extract(
    videos: Annotated[Path, typer.Argument(help="Folder of videos, or one video.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the feature pack.")],
    workers: Workers = 0,
) -> None:
    """Turn videos into a feature pack with the weight-free motion encoder; resumes by itself."""
    from utal import progress
    from utal.video.extract import extract as run_extract
    from utal.video.motion import Motion
    from utal.video.sources import find_videos

    shown, found = console(), find_videos(videos)
    with (
        resumable(out, "the same command"),
        progress.stage(shown, "Watching videos", len(found)) as advance,
    ):
        failures = run_extract(
            found, out, Motion(), workers=workers or os.cpu_count() or 1, on_done=advance
        )
    say(shown, [f"Left out: {failure}" for failure in failures], style="yellow")
    if failures:
        raise typer.Exit(1)
