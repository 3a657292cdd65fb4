"""What the page's script does, in a real browser; skipped where there is none."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from utal.records import Segments
from utal.report.contents import ReportVideo
from utal.report.report import write_report

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = "<img src=x onerror=document.title='broken'>.mp4"
PROBE = """
const $ = (id) => document.getElementById(id), seen = [];
const blocks = () => [...document.querySelectorAll(".block")];
const labels = () => blocks().map((block) => block.getAttribute("aria-label"));
const set = (id, value, kind) => { $(id).value = value; $(id).dispatchEvent(new Event(kind)); };
const later = (steps) => setTimeout(() => { steps[0](); steps[1] && later(steps.slice(1)); }, 100);
seen.push($("shown").textContent, ...labels());
set("share", "10", "input");
later([
  () => { seen.push($("shown").textContent); $("overlaps").click(); },
  () => { seen.push(String(labels().length)); set("only", "1", "change"); },
  () => { seen.push(...labels()); document.querySelector(".block").click(); },
  () => {
    seen.push(document.querySelector("#player .trouble").textContent, $("place").textContent);
    seen.push(document.querySelector(".row .name").textContent, document.title);
    document.body.dataset.seen = JSON.stringify(seen);
  },
]);
"""


def with_probe(page: Path) -> None:
    """Adds a script to a page, and lets it run."""
    digest = base64.b64encode(hashlib.sha256(PROBE.encode()).digest()).decode()
    text = page.read_text("utf-8").replace("script-src ", f"script-src 'sha256-{digest}' ")
    page.write_text(text.replace("</body>", f"<script>{PROBE}</script></body>"), "utf-8")


def looked_at(page: Path, profile: Path) -> list[str]:
    """What the probe saw."""
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync")
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-quic")
    result = subprocess.run(
        [
            str(BROWSER),
            *flags,
            *quiet,
            f"--user-data-dir={profile}",
            "--virtual-time-budget=3000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    seen = re.search(r'<body data-seen="([^"]*)"', result.stdout)
    assert seen is not None, result.stdout[:2000] + result.stderr[-2000:]
    return list(json.loads(html.unescape(seen.group(1))))


@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
def test_the_page_filters_and_opens_segments(tmp_path: Path) -> None:
    segments = Segments(
        (HOSTILE, "b"),
        np.array([0, 0, 0, 1]),
        np.array([1, 0, 1, 1]),
        np.array([1.0, 3.0, 20.0, 5.0]),
        np.array([4.0, 6.0, 22.5, 9.0]),
        np.array([1.0, 0.9, 0.25, 0.8]),
    )
    videos = [
        ReportVideo(name, 30.0, None, 1, np.linspace(0, 1, 9), 3.0) for name in segments.names
    ]
    page = tmp_path / "report.html"
    write_report(page, title="t", segments=segments, num_clusters=2, videos=videos)
    with_probe(page)
    seen = looked_at(page, tmp_path / "profile")
    first, second = (
        "cluster 1, 0:01.0\u20130:04.0, strength 100 %, score 1",
        "cluster 1, 0:05.0\u20130:09.0, strength 81 %, score 0.8",
    )
    assert seen == [
        "2 instances in 2 videos shown; hidden: 1 below 50 %, 1 overlapped by a stronger one.",
        first,
        second,
        "3 instances in 2 videos shown; hidden: 1 overlapped by a stronger one.",
        "4",
        first,
        "cluster 1, 0:20.0\u20130:22.5, strength 25 %, score 0.25",
        second,
        "No video file is known for this one, only its features.",
        "1 of 3",
        HOSTILE,
        "t \u2013 recurring actions",
    ]
