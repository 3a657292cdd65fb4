"""`utal demo`: compose recordings, discover in the files, then score against the known truth."""

import time
from pathlib import Path

import numpy as np

from utal.cli.console import console, say
from utal.cli.reporting import write_run_report
from utal.cli.run import discovered
from utal.cli.scoring import score, score_lines, score_rows
from utal.demo.composing import compose
from utal.demo.planning import MAIN_EXERCISES
from utal.discover import Discovery, new_request
from utal.evaluation.evaluate import Evaluation
from utal.evaluation.ground_truth import GroundTruth, read_ground_truth
from utal.evaluation.mapping import map_clusters
from utal.progress import stage
from utal.records import Segments
from utal.report.contents import ReportScores

NUM_VIDEOS = 42
NOTICE = (
    "The recordings are composed from real motion: repetitions of exercises by ten people, "
    "captured for the UI-PRMD data set (public domain), drawn as figures in invented rooms."
)


def demonstrate(out: Path, *, seed: int, device: str, resume: bool, workers: int) -> None:
    """Runs the whole demonstration in the folder `out` and prints the scores."""
    shown, start = console(), time.monotonic()
    say(shown, [NOTICE])
    with stage(shown, "Composing recordings", NUM_VIDEOS) as advance:
        truth_file = compose(
            out, num_videos=NUM_VIDEOS, seed=seed, workers=workers, on_done=advance
        )
    request = new_request(out / "videos", "feel", [], len(MAIN_EXERCISES), seed)
    discovery = discovered(
        out / "videos", out / "run", request, device=device, resume=resume, workers=workers
    )
    # Only from here on is the truth looked at.
    truth = read_ground_truth(truth_file)
    evaluation = scored(discovery, truth)
    with stage(shown, "Adding the scores to the report", len(discovery.corpus)) as advance:
        write_run_report(
            discovery,
            on_progress=advance,
            scores=_for_report(evaluation, discovery, truth),
            truth=_as_segments(truth, discovery.corpus.names),
        )
    say(shown, score_lines(evaluation))
    say(shown, [f"Warning: {warning}" for warning in discovery.warnings], style="yellow")
    say(shown, [NOTICE, f"Report: {out / 'run' / 'report.html'}"])
    say(shown, [f"Took {time.monotonic() - start:.0f} s."])


def scored(discovery: Discovery, truth: GroundTruth) -> Evaluation:
    """Scores the run's segments on the videos that it learned from."""
    if discovery.last.clustering is None:
        raise ValueError("the demo groups its videos itself")
    return score(
        discovery.segments,
        truth,
        discovery.last.clustering,
        truth.video_labels(discovery.corpus.names),
        truth.class_names,
        discovery.run.request.num_clusters,
    )


def _for_report(evaluation: Evaluation, discovery: Discovery, truth: GroundTruth) -> ReportScores:
    clustering = discovery.last.clustering
    labels = np.empty(0, int) if clustering is None else clustering.labels.numpy()
    multi_hot = truth.video_labels(discovery.corpus.names)
    num_clusters = discovery.run.request.num_clusters
    mapping = map_clusters(labels, multi_hot, num_clusters, truth.class_names, mode="hard")
    return ReportScores(
        rows=score_rows(evaluation),
        protocol=evaluation.protocol,
        cluster_classes={cluster: entry[0][0] for cluster, entry in mapping.entries.items()},
        class_names=truth.class_names,
    )


def _as_segments(truth: GroundTruth, names: tuple[str, ...]) -> Segments:
    """The annotations in the order of the run's videos, for drawing."""
    place = {name: index for index, name in enumerate(names)}
    video = np.array([place[truth.names[v]] for v in truth.video.tolist()])
    return Segments(names, video, truth.label, truth.start_s, truth.end_s, np.ones(len(truth)))
