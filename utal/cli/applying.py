"""`utal localize`: a finished run on other videos."""

import contextlib
from dataclasses import replace
from pathlib import Path

from utal.cli.console import console, resumable, say
from utal.discover import chosen_device, corpus_of, names_of
from utal.errors import DataError
from utal.formats.activitynet import write_detections
from utal.loop import localize
from utal.packs import Axis
from utal.progress import stage
from utal.records import Segments
from utal.runs import last_round, load


def localize_in(
    run_folder: Path,
    source: Path,
    out: Path,
    *,
    subset: str | None,
    axis: Axis | None,
    device: str,
    workers: int,
) -> None:
    """Finds the actions of a run in videos or a feature pack and writes the detections.

    Features of videos are kept in a folder beside the output, so that a second call is quick.

    Raises:
        DataError: unusable input, or features of another encoder than the run's.
    """
    shown, chosen = console(), chosen_device(device)
    run = load(run_folder)
    last = last_round(run)
    with resumable(out), contextlib.ExitStack() as stack:
        corpus, failures = corpus_of(
            source,
            out.with_name(f"{out.name}.features"),
            subset=subset,
            axis=axis,
            workers=workers,
            on_start=lambda count: stack.enter_context(stage(shown, "Watching videos", count)),
            on_note=lambda note: say(shown, [f"Note: {note}"]),
        )
        if corpus.channels != run.channels:
            raise DataError(
                f"{source}: expected {run.channels} channels as in {run_folder}, got "
                f"{corpus.channels}; use the features of the same encoder"
            )
        corpus = replace(corpus, streams=run.streams)  # as the networks were built
        stack.close()
        say(shown, [f"Left out: {failure}" for failure in failures], style="yellow")
        parts: list[Segments] = []
        with stage(shown, "Localizing", len(corpus)) as advance:
            for found in localize(last, run.method, corpus, device=chosen):
                parts.append(found.segments)
                advance(found.segments.names[0])
    segments = Segments.concatenate(parts)
    write_detections(out, segments, names_of(run.request))
    say(shown, [f"{len(segments)} segments in {len(corpus)} videos: {out}"])
