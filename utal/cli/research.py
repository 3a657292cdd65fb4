"""The commands for researchers: show, train, localize, evaluate."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from utal.cli.console import console, resumable, say
from utal.cli.run import Device, MethodName, Out, Resume, Seed, Settings, Workers

Features = Annotated[Path, typer.Argument(help="Feature pack, or the root of a data set.")]
Subset = Annotated[str | None, typer.Option("--subset", help="Part of the data set, as in train.")]
Fps = Annotated[float | None, typer.Option("--fps", help="Frame rate of a pack without one.")]
Stride = Annotated[float, typer.Option("--stride", help="Frames between snippets of such a pack.")]
Window = Annotated[int, typer.Option("--window", help="Frames one snippet of such a pack sees.")]


def show(
    method: Annotated[str | None, typer.Argument(help="Print this method in full.")] = None,
) -> None:
    """List the methods, or print one: its parts, settings and equations."""
    from utal.config import method_named
    from utal.showing import equations_of, names, settings_of

    if method is None:
        for line in names():
            print(line)
        return
    for line in settings_of(method_named(method)):
        print(line)
    print()
    for line in equations_of(method):
        print(line)


def train(
    features: Features,
    out: Out,
    method: MethodName = "feel",
    classes: Annotated[int | None, typer.Option("--classes", "-k", help="Number of actions.")] = (
        None
    ),
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="Table video,label: learn from these, do not group."),
    ] = None,
    subset: Subset = None,
    fps: Fps = None,
    stride: Stride = 16.0,
    window: Window = 16,
    seed: Seed = 0,
    device: Device = "auto",
    settings: Settings = [],  # noqa: B006  typer reads the default, nobody changes it
    resume: Resume = False,
) -> None:
    """Train a method on features; without --labels it groups the videos itself."""
    from utal import discover as job
    from utal import labels as tables
    from utal import progress, runs
    from utal.config import from_json
    from utal.errors import ConfigError
    from utal.packs import axis_of, read_corpus

    if (classes is None) == (labels is None):
        raise ConfigError("give either --classes K or --labels TABLE")
    request = job.new_request(features, method, settings, 1 if classes is None else classes, seed)
    chosen = job.chosen_device(device)
    shown = console()
    corpus = read_corpus(
        features,
        subset=subset,
        axis=axis_of(fps, stride, window),
        on_note=lambda note: say(shown, [f"Note: {note}"]),
    )
    given = None
    if labels is not None:
        given, names = tables.read_labels(labels, corpus.names)
        request = job.with_labels(request, names)
    runs.claim(out, request, resume=resume)
    with resumable(out), progress.log_file(out / "log.txt"):
        num_rounds = from_json(request.method).num_rounds
        with progress.training(shown, num_rounds, runs.count_rounds(out)):
            run, last = job.train(out, corpus, request, device=chosen, given=given)
        discovery = job.look(run, last, corpus, device=chosen)
        job.write_results(discovery)
    say(shown, [f"Warning: {warning}" for warning in discovery.warnings], style="yellow")
    say(shown, [f"Run: {out}"])


def localize(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    source: Annotated[Path, typer.Argument(help="New videos, or a feature pack.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The detections, a .json file.")],
    subset: Subset = None,
    fps: Fps = None,
    stride: Stride = 16.0,
    window: Window = 16,
    device: Device = "auto",
    workers: Workers = 0,
) -> None:
    """Find the actions of a finished run in other videos."""
    from utal.cli.applying import localize_in
    from utal.packs import axis_of

    localize_in(
        run,
        source,
        out,
        subset=subset,
        axis=axis_of(fps, stride, window),
        device=device,
        workers=workers or os.cpu_count() or 1,
    )


def evaluate(
    detections: Annotated[Path, typer.Argument(help="A detections.json.")],
    truth: Annotated[Path, typer.Argument(help="Annotation in ActivityNet's format.")],
    run: Annotated[
        Path | None,
        typer.Option("--run", help="The run, to map its clusters to classes by its videos."),
    ] = None,
    subset: Subset = None,
    train_subset: Annotated[
        str | None,
        typer.Option("--train-subset", help="Where the run's own videos are; default: --subset."),
    ] = None,
    protocol: Annotated[
        Literal["thumos14", "activitynet"], typer.Option(help="Which temporal IoUs.")
    ] = "thumos14",
    mapping: Annotated[
        Literal["soft_ge", "soft_gt", "hard"], typer.Option(help="How clusters become classes.")
    ] = "soft_ge",
) -> None:
    """Score detections against ground truth. The only command, with demo, that reads truth."""
    from utal.cli.scoring import score_files, score_lines

    result = score_files(
        detections,
        truth,
        run,
        subset=subset,
        train_subset=train_subset,
        protocol=protocol,
        mode=mapping,
    )
    say(console(), score_lines(result))
