import base64
import hashlib
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from utal.records import Segments
from utal.report.contents import ReportRound, ReportScores, ReportVideo
from utal.report.report import write_report

HOSTILE = (
    "<img src=x onerror=alert(1)>.mp4",
    "\"quotes\" 'and' `ticks`.mp4",
    "</script><script>alert(2)</script><!--.mp4",
    "</title></style><b>.mp4",
    "مرحبا \u202egnp.4pm",
    "🤸 salto \u2028 &amp; &#60;.mp4",
    "{{ 7 * 7 }} {% raw %}.mp4",
    "javascript:alert(3)",
    "\udcff\x00\n.mp4",
)
VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text in each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data))

    def count(self, tag: str, **attributes: str) -> int:
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return sum(t == tag and wanted.items() <= a.items() for t, a in self.elements)

    @property
    def data(self) -> dict[str, list[dict[str, list[object]]]]:
        """The data of the page's script."""
        return json.loads(next(text for tag, text in self.texts if text.startswith('{"share"')))

    @property
    def visible(self) -> str:
        """All text outside scripts and styles, with single spaces."""
        shown = (text for tag, text in self.texts if tag not in ("script", "style"))
        return " ".join(" ".join(shown).split())


def corpus(
    names: tuple[str, ...], *, per_video: int = 6, num_clusters: int = 3
) -> tuple[Segments, list[ReportVideo]]:
    random = np.random.default_rng(0)
    num = len(names) * per_video
    start = random.uniform(0, 50, num)
    segments = Segments(
        names,
        np.repeat(np.arange(len(names)), per_video),
        random.integers(0, num_clusters, num),
        start,
        start + random.uniform(0.5, 6, num),
        random.uniform(0.1, 1, num),
    )
    videos = [
        ReportVideo(name, 60.0, None, index % num_clusters, random.uniform(size=90), 60 / 90)
        for index, name in enumerate(names)
    ]
    return segments, videos


def written(path: Path, names: tuple[str, ...] = ("a", "b"), **others: object) -> Page:
    segments, videos = corpus(names)
    arguments = {"title": "t", "segments": segments, "num_clusters": 3, "videos": videos}
    write_report(path / "report.html", **(arguments | others))  # type: ignore[arg-type]
    return Page((path / "report.html").read_text("utf-8"))


def test_hostile_names_neither_break_out_nor_break_the_page(tmp_path: Path) -> None:
    harmless = tuple(f"v{index}" for index in range(len(HOSTILE)))

    def page(names: tuple[str, ...]) -> Page:
        _, videos = corpus(names)
        for index, video in enumerate(videos):
            videos[index] = ReportVideo(
                video.name, 60.0, None, video.cluster, None, 1.0, (names[index],)
            )
        return written(
            tmp_path,
            names,
            videos=videos,
            title=names[2],
            warnings=names,
            settings={name: name for name in names},
            cluster_names=names[:3],
            scores=ReportScores(((names[0], names[2]),), names[1], {0: names[2]}, names),
            truth=corpus(names)[0],
            rounds=[ReportRound(0, 1, 2)],
        )

    hostile, usual = page(HOSTILE), page(harmless)
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in usual.elements]
    assert not hostile.open
    assert not any(
        name.startswith("on") for _, attributes in hostile.elements for name in attributes
    )
    shown = [video["name"] for video in hostile.data["videos"]]
    assert shown == [*HOSTILE[:-1], "\ufffd\ufffd\n.mp4"]
    for name in HOSTILE[:4]:
        assert name in hostile.visible


def test_names_meet_in_the_page(tmp_path: Path) -> None:
    page = written(tmp_path, settings={"seed": "7"}, warnings=["too few videos"], title="Kitchen")
    for text in ("Kitchen", "too few videos", "One thing looks wrong", "seed", "7", "cluster 2"):
        assert text in page.visible


def test_only_the_pages_own_script_and_style_may_run(tmp_path: Path) -> None:
    page = written(tmp_path)
    (policy,) = (a["content"] for t, a in page.elements if "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    text = (tmp_path / "report.html").read_text("utf-8")
    contents = [
        re.search(pattern, text, re.DOTALL)
        for pattern in (r"<style>(.*?)</style>", r"<script>(.*?)</script>")
    ]
    for content in contents:
        assert content is not None
        digest = hashlib.sha256(content.group(1).encode()).digest()
        assert f"'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert not any("style" in attributes for _, attributes in page.elements)


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    page = written(tmp_path)
    text = (tmp_path / "report.html").read_text("utf-8")
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", text)
    sources = [a[key] for _, a in page.elements for key in ("src", "href") if key in a]
    assert all(str(source).startswith(("data:", "#")) for source in sources)


def test_summary_counts_what_is_readable(tmp_path: Path) -> None:
    segments = Segments(
        ("a", "b", "c"),
        np.array([0, 1, 1, 1, 2]),
        np.array([0, 0, 0, 1, 0]),
        np.array([1.0, 1.0, 2.0, 30.0, 5.0]),
        np.array([5.0, 5.0, 6.0, 32.0, 8.0]),
        np.array([0.9, 0.8, 0.7, 0.2, 0.1]),
    )
    videos = [ReportVideo(name, 60.0, None, 0) for name in "abc"]
    page = written(tmp_path, segments=segments, videos=videos)
    assert (
        "1 recurring action found in 2 videos of 3: 3 instances, 10.0 s of 3 min. "
        "1 more cluster occurred in one video only."
    ) in page.visible
    assert page.count("article", class_="card") == 2
    assert "No instance is strong enough in: cluster 2 ." in page.visible
    rows = [row[0] for video in page.data["videos"] for row in video["segments"]]
    assert sorted(rows) == [0, 1, 2, 3, 4]  # what is hidden at first is in the page all the same


def test_videos_may_come_in_any_order(tmp_path: Path) -> None:
    segments, videos = corpus(("a", "b"))
    page = written(tmp_path, segments=segments, videos=videos[::-1])
    assert [video["name"] for video in page.data["videos"]] == ["a", "b"]


@pytest.mark.parametrize("names", [(), ("a", "b")])
def test_a_corpus_in_which_nothing_was_found(tmp_path: Path, names: tuple[str, ...]) -> None:
    videos = [ReportVideo(name, 10.0, None, 0) for name in names]
    page = written(tmp_path, segments=Segments(names), videos=videos)
    assert f"Nothing was found in {len(names)} videos." in page.visible
    assert not page.open


def test_only_weak_proposals(tmp_path: Path) -> None:
    nothing = Segments(
        ("a",), np.array([0]), np.array([0]), np.array([1.0]), np.array([2.0]), np.array([-1.0])
    )
    page = written(tmp_path, segments=nothing, videos=[ReportVideo("a", 10.0, None, 0)])
    assert "only 1 weak proposal: move the slider" in page.visible


def test_truth_and_scores_are_shown_only_if_given(tmp_path: Path) -> None:
    segments, _ = corpus(("a", "b"))
    assert "truth" not in written(tmp_path).visible
    scores = ReportScores((("mAP", 0.41234), ("purity", "88 %")), "protocol 9", {1: "run"})
    page = written(tmp_path, scores=scores, truth=segments)
    for text in (
        "never used for discovery",
        "protocol 9",
        "0.412",
        "88 %",
        "best match in the truth file: run",
    ):
        assert text in page.visible
    assert len(page.data["videos"][0]["truth"]) == 6


def test_rounds_are_listed_and_unknown_numbers_are_dashes(tmp_path: Path) -> None:
    rounds = [ReportRound(0, 5, 20, None, None, 0.5), ReportRound(1, 20, 20, 3, 1.25, 0.125)]
    page = written(tmp_path, rounds=rounds)
    assert "1 5 of 20 - - → 0.500 2 20 of 20 3 1.250 → 0.125" in page.visible.replace("\u2013", "-")
    assert "action minus rest" not in page.visible


def test_progress_is_told_for_every_video(tmp_path: Path) -> None:
    told: list[str] = []
    written(tmp_path, on_progress=told.append)
    assert told == ["a", "b"]


def test_pictures_stand_in_the_cards(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    pytest.importorskip("cv2")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height = 64, 48
        for index in range(50):
            grey = np.full((48, 64, 3), 4 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    segments = Segments(
        ("a", "b"), np.array([0, 1]), np.array([0, 0]), np.ones(2), np.full(2, 4.0), np.ones(2)
    )
    videos = [
        ReportVideo("a", 10.0, str(tmp_path / "a.mp4"), 0),
        ReportVideo("b", 10.0, str(tmp_path / "gone.mp4"), 0),
    ]
    page = written(tmp_path, segments=segments, videos=videos)
    pictures = [a["src"] for tag, a in page.elements if tag == "img"]
    assert len(set(pictures)) == 3
    assert page.count("span", class_="blank") == 3
    assert "cannot be read: b." in page.visible
    assert [video["source"] for video in page.data["videos"]] == ["./a.mp4", None]


def test_many_videos_are_quick_and_small(tmp_path: Path) -> None:
    segments, videos = corpus(
        tuple(f"video {index}" for index in range(500)), per_video=40, num_clusters=20
    )
    start = time.process_time()
    write_report(
        tmp_path / "r.html", title="many", segments=segments, num_clusters=20, videos=videos
    )
    assert time.process_time() - start < 5
    assert (tmp_path / "r.html").stat().st_size < 3_000_000


def test_a_failure_leaves_the_old_report(tmp_path: Path) -> None:
    written(tmp_path)
    before = (tmp_path / "report.html").read_bytes()
    segments, videos = corpus(("a", "b"))
    for wrong in (
        {"videos": videos[:1]},
        {"videos": [*videos, videos[0]]},
        {"num_clusters": 2},
        {"cluster_names": ("one",)},
    ):
        with pytest.raises(ValueError, match=r"video|cluster"):
            written(tmp_path, segments=segments, **wrong)
    assert (tmp_path / "report.html").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
