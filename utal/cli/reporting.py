"""From a finished discovery to its report page."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from utal.discover import Discovery
from utal.records import Found, Round, Segments
from utal.report.contents import ReportRound, ReportScores, ReportVideo
from utal.report.report import write_report
from utal.round_files import load_round
from utal.showing import settings_of


def write_run_report(
    discovery: Discovery,
    *,
    on_progress: Callable[[str], None],
    scores: ReportScores | None = None,
    truth: Segments | None = None,
) -> None:
    """Writes `report.html` into the run's folder; `scores` and `truth` where truth was given."""
    run = discovery.run
    write_report(
        run.path / "report.html",
        title=f"Actions in {run.request.input.rpartition('/')[2]}",
        segments=discovery.segments,
        num_clusters=run.request.num_clusters,
        videos=_videos(discovery),
        rounds=_rounds(discovery),
        warnings=(*discovery.warnings, *(f"Left out: {text}" for text in discovery.failures)),
        settings=_settings(discovery),
        scores=scores,
        truth=truth,
        cluster_names=run.request.names,
        on_progress=on_progress,
    )


def _videos(discovery: Discovery) -> list[ReportVideo]:
    clustering = discovery.last.clustering
    rows = []
    for index, (video, found) in enumerate(
        zip(discovery.corpus.videos, discovery.found, strict=True)
    ):
        label = (
            int(clustering.labels[index])
            if clustering is not None
            else int(found.probability.argmax())
        )
        rows.append(
            ReportVideo(
                name=video.name,
                duration_s=video.timeline.duration,
                source=video.source,
                cluster=label,
                actionness=_shown(found),
                actionness_step_s=video.timeline.duration / len(found.attention),
                notes=video.notes,
            )
        )
    return rows


def _shown(found: Found) -> np.ndarray:
    """The attention in [0, 1] for drawing; zero stays zero."""
    highest = float(found.attention.max())
    return found.attention / highest if highest > 0 else np.zeros_like(found.attention)


def _rounds(discovery: Discovery) -> list[ReportRound]:
    run = discovery.run
    done = [load_round(run.path, index, run.names) for index in range(discovery.last.index + 1)]
    changes = [None, *itertools.starmap(_changed, itertools.pairwise(done))]
    return [
        ReportRound(
            index=each.index,
            num_selected=len(each.pseudo_labels.videos),
            num_videos=len(run.names),
            labels_changed=changed,
            first_loss=each.losses.terms["total"][0],
            last_loss=each.losses.terms["total"][-1],
        )
        for each, changed in zip(done, changes, strict=True)
    ]


def _changed(before: Round, now: Round) -> int | None:
    """Videos whose group changed, once the two rounds' cluster numbers are matched."""
    if before.clustering is None or now.clustering is None:
        return None
    old, new = before.clustering.labels, now.clustering.labels
    size = int(torch.stack([old.max(), new.max()]).max()) + 1
    together = np.zeros((size, size), int)
    np.add.at(together, (old.numpy(), new.numpy()), 1)
    rows, columns = linear_sum_assignment(together, maximize=True)
    return len(old) - int(together[rows, columns].sum())


def _settings(discovery: Discovery) -> dict[str, str]:
    request = discovery.run.request
    lines: Sequence[str] = tuple(settings_of(discovery.run.method))
    parts = {line.split()[0]: line.partition(" ")[2].strip() for line in lines}
    return {"input": request.input, "seed": str(request.seed), **parts}
