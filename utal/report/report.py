"""One HTML file that shows what was found, to people who know nothing of the method."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int64
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from utal.decoding.readable import SHARE, strengths, uncovered
from utal.files import write_text
from utal.records import Segments
from utal.report import charts
from utal.report.cards import Card, contrast, in_words, make_cards
from utal.report.contents import ReportRound, ReportScores, ReportVideo
from utal.report.thumbnails import take_pictures
from utal.report.timelines import printable, script_json, timeline_data, truth_marks

MAX_COVERED = 100_000  # overlapped segments in a page, of all videos together


def write_report(
    path: Path,
    *,
    title: str,
    segments: Segments,
    num_clusters: int,
    videos: Sequence[ReportVideo],
    rounds: Sequence[ReportRound] = (),
    warnings: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    scores: ReportScores | None = None,
    truth: Segments | None = None,
    cluster_names: Sequence[str] = (),
    on_progress: Callable[[str], None] | None = None,
) -> None:
    """Writes the report as one self-contained HTML file, atomically.

    The page works from disk, loads nothing from a network, and runs no script but its own. Video
    files are linked, not copied; without them, or without the video packages, there are no
    pictures and no playback, and everything else is as usual.

    Args:
        path: the file to write; its folder exists.
        title: what the page is about.
        segments: all proposals, weak and overlapping ones too.
        num_clusters: how many clusters there are, also those without a segment.
        videos: one for each of `segments.names`, in any order.
        rounds: how training went.
        warnings: what looks wrong, in plain words.
        settings: name and value of what was set.
        scores: measured against a truth, if there is one.
        truth: true segments; `cluster` indexes `scores.class_names`, videos are matched by name.
        cluster_names: names to show instead of "cluster 0" and so on.
        on_progress: told the name of each video once its pictures are taken.

    Raises:
        ValueError: a video is missing or doubled, or a cluster lacks a number or a name.
    """
    ordered = _in_order(videos, segments.names)
    names = _names_of_clusters(segments, num_clusters, cluster_names)
    strength = strengths(segments)
    clear = uncovered(segments, strength)
    shown = _fitting(strength, clear)
    num_left_out = len(segments) - len(shown)
    segments, strength, clear = segments.take(shown), strength[shown], clear[shown]
    readable = np.flatnonzero(clear & (strength >= SHARE))
    cards = make_cards(segments, readable, strength, ordered)
    marks = truth_marks(truth, scores)
    data = {
        "share": int(100 * SHARE),
        "clusters": [printable(name) for name in names],
        "has_truth": truth is not None,
        "videos": timeline_data(segments, strength, clear, ordered, marks, path.parent),
    }
    page = _render(
        title=title,
        names=segments.names,
        num_clusters=num_clusters,
        cluster_names=names,
        cards=cards,
        num_recurring=sum(card.num_videos > 1 or len(ordered) == 1 for card in cards),
        data=Markup(script_json(data)),  # safe: `script_json` leaves nothing that markup can use
        share=int(100 * SHARE),
        num_segments=len(segments) + num_left_out,
        num_left_out=num_left_out,
        rounds=rounds,
        has_contrast=any(each.attention_contrast is not None for each in rounds),
        warnings=warnings,
        settings=settings or {},
        scores=scores,
        has_truth=truth is not None,
        **_in_numbers(segments.take(readable), num_clusters, ordered),
        **_in_pictures(cards, ordered, on_progress),
    )
    write_text(path, page)


def _in_order(videos: Sequence[ReportVideo], names: Sequence[str]) -> tuple[ReportVideo, ...]:
    """The videos in the order of the names."""
    by_name = {video.name: video for video in videos}
    if len(by_name) != len(videos) or set(by_name) != set(names):
        raise ValueError("the videos of the report are not those that were searched")
    return tuple(by_name[name] for name in names)


def _names_of_clusters(
    segments: Segments, num_clusters: int, names: Sequence[str]
) -> tuple[str, ...]:
    if len(segments) and not 0 <= segments.cluster.min() <= segments.cluster.max() < num_clusters:
        raise ValueError(f"a segment's cluster is not one of {num_clusters}")
    if names and len(names) != num_clusters:
        raise ValueError(f"{len(names)} names for {num_clusters} clusters")
    return tuple(names) or tuple(f"cluster {index}" for index in range(num_clusters))


def _fitting(
    strength: Float[np.ndarray, " segment"], clear: Bool[np.ndarray, " segment"]
) -> Int64[np.ndarray, " kept"]:
    """Rows that go into the page: all that nothing overlaps, and the strongest of the others."""
    covered = np.flatnonzero(~clear)
    strongest = covered[np.argsort(-strength[covered], kind="stable")[:MAX_COVERED]]
    return np.sort(np.concatenate([np.flatnonzero(clear), strongest]))


def _in_numbers(
    instances: Segments, num_clusters: int, videos: Sequence[ReportVideo]
) -> dict[str, object]:
    """The summary at the top of the page."""
    inside, outside = contrast(instances, videos)
    return {
        "num_videos": len(videos),
        "num_videos_with": len(np.unique(instances.video)),
        "num_instances": len(instances),
        "total_s": float((instances.end_s - instances.start_s).sum()),
        "footage_s": sum(video.duration_s for video in videos),
        "inside": inside,
        "outside": outside,
        "stands_out": in_words(inside, outside),
        "empty_clusters": sorted(set(range(num_clusters)) - set(instances.cluster.tolist())),
    }


def _in_pictures(
    cards: Sequence[Card],
    videos: Sequence[ReportVideo],
    on_progress: Callable[[str], None] | None,
) -> dict[str, object]:
    """Three pictures for each example, by its row."""
    examples = [example for card in cards for example in card.examples]
    moments: dict[int, list[float]] = {}
    for example in examples:
        moments.setdefault(example.video, []).extend(example.moments)
    taken = take_pictures(videos, moments, on_progress=on_progress)
    return {
        "pictures": {
            example.row: [taken.images.get((example.video, moment)) for moment in example.moments]
            for example in examples
        },
        "has_pictures": bool(taken.images),
        "pictures_missing": taken.missing,
    }


def _render(**values: object) -> str:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters |= {
        "clock": charts.clock,
        "span": charts.span,
        "plural": charts.plural,
    }
    folder = files("utal.report")
    style = folder.joinpath("style.css").read_text("utf-8")
    script = folder.joinpath("timeline.js").read_text("utf-8")
    template = environment.from_string(folder.joinpath("template.html.j2").read_text("utf-8"))
    return template.render(
        style=Markup(style),
        style_hash=Markup(_content_hash(style)),
        script=Markup(script),
        script_hash=Markup(_content_hash(script)),
        version=_version(),
        **values,
    )


def _content_hash(text: str) -> str:
    """What a content security policy calls exactly this text."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def _version() -> str:
    try:
        return version("utal")
    except PackageNotFoundError:
        return "from source"
