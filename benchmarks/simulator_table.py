"""What every method is worth on simulated corpora: `docs/simulate.md` says what those are.

    python -m benchmarks.simulator_table --jobs 2
    python -m benchmarks.simulator_table --methods feel cola --seeds 0 1 --cells cells.jsonl

One cell is one method, unsupervised (US) or with given video labels (WS), on one seed, which
decides both the corpus and the run: methods are compared on the same corpora, and the spread is
over both. A method learns from the training videos and is scored on the test videos after its last
round. Clusters become classes by all training videos (soft_ge); purity and NMI are of those videos.

Every finished cell is a line of the file `--cells`: the same command goes on where it was stopped.
The table is written to `--out`.md and `--out`.json.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import machine
from utal.config import method_named, with_settings
from utal.evaluation.clusters import ClusterScores, cluster_scores
from utal.evaluation.evaluate import evaluate
from utal.evaluation.ground_truth import read_ground_truth
from utal.evaluation.mapping import map_by_name, map_clusters
from utal.files import write_text
from utal.labels import read_labels
from utal.loop import localize, rounds
from utal.method import weakly
from utal.methods.catalogue import METHODS
from utal.packs import Axis, read_corpus
from utal.records import Round, Segments
from utal.simulate import simulate, write
from utal.simulate.world import world_named
from utal.sizing import sized

RESULTS = Path(__file__).parent / "results"
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
MODES = ("US", "WS")
ROWS = (
    # Every paper's method beside the first row of its own ablation; FEEL given labels is CoLA.
    *(("cola", "US"), ("cola", "WS")),
    *(("tcam", "US"), ("tcam", "WS"), ("tcam/conv-only-cls", "US")),
    *(("apsl", "US"), ("apsl", "WS"), ("apsl/only-cls", "US")),
    *(("feel", "US"), ("feel", "WS"), ("feel/cola-utal", "US")),
    *(("hc_utal", "US"), ("hc_utal", "WS"), ("hc_utal/baseline", "US")),
    *(("dcc", "WS"), ("dcc/baseline", "WS")),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What is run: everything that decides the numbers, but for the code."""

    method: str
    mode: str
    seed: int
    world: str
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """What came out: fractions, and seconds of wall time. Given labels have no purity or NMI."""

    purity: float | None
    nmi_first: float | None
    nmi_labelset: float | None
    map_average: float
    map_50: float
    wall_s: float


COLUMNS = {
    "purity": "purity",
    "nmi_first": "NMI, first label",
    "nmi_labelset": "NMI, label sets",
    "map_average": "mAP .3:.7",
    "map_50": "mAP@.5",
}


def score_of(cell: Cell) -> Score:
    """Simulates, trains, localizes and scores; through files, as a user would."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "corpus"
        write(simulate(world_named(cell.world), seed=cell.seed), folder)
        train = read_corpus(folder, subset="train", axis=Axis())
        test = read_corpus(folder, subset="test", axis=Axis())
        given, labels = read_labels(folder / "labels.csv", train.names)
        method = with_settings(method_named(cell.method), cell.settings)
        method = sized(weakly(method) if cell.mode == "WS" else method, train)
        cpu = torch.device("cpu")
        *_, last = rounds(
            method,
            train,
            len(labels),  # the number of actions is all that an unsupervised method is told
            seed=cell.seed,
            device=cpu,
            given=given if cell.mode == "WS" else None,
        )
        found = [each.segments for each in localize(last, method, test, device=cpu)]
        # Only from here on is the truth looked at.
        agreement, precision = judged(
            folder / "truth.json", last, Segments.concatenate(found), train.names, labels
        )
    return Score(
        purity=agreement.purity if agreement else None,
        nmi_first=agreement.nmi_first if agreement else None,
        nmi_labelset=agreement.nmi_labelset if agreement else None,
        map_average=float(precision.mean()),
        map_50=float(precision[THRESHOLDS.index(0.5)]),
        wall_s=time.monotonic() - start,
    )


def judged(
    truth_file: Path, last: Round, found: Segments, names: tuple[str, ...], labels: tuple[str, ...]
) -> tuple[ClusterScores | None, np.ndarray]:
    """Agreement of the grouping, if there was one, and mAP at every threshold."""
    truth, learned = (read_ground_truth(truth_file, subset) for subset in ("test", "train"))
    if last.clustering is None:
        mapping = map_by_name(found, labels, learned.class_names)
        return None, evaluate(found, truth, mapping, THRESHOLDS).means
    clusters, multi_hot = last.clustering.labels.numpy(), learned.video_labels(names)
    mapping = map_clusters(clusters, multi_hot, len(labels), learned.class_names)
    means = evaluate(found, truth, mapping, THRESHOLDS).means
    return cluster_scores(clusters, multi_hot), means


def finished(path: Path) -> dict[Cell, Score]:
    """The cells of earlier runs; a line that was not written to its end does not count."""
    found = {}
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        cell = {**row["cell"], "settings": tuple(row["cell"]["settings"])}
        found[Cell(**cell)] = Score(**row["score"])
    return found


def run(cells: Iterable[Cell], jobs: int) -> Iterator[tuple[Cell, Score | None]]:
    """Scores of cells as they get ready, from processes of one thread each; `None`: it failed."""
    os.environ["OMP_NUM_THREADS"] = "1"  # for the new processes
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context)
    try:
        waiting = {pool.submit(score_of, cell): cell for cell in cells}
        for future in as_completed(waiting):
            try:
                yield waiting[future], future.result()
            except Exception:
                traceback.print_exc()
                yield waiting[future], None
    finally:
        pool.shutdown(cancel_futures=True)  # stopped: waits for what runs, begins nothing new


def table_of(scores: dict[Cell, Score], cells: Iterable[Cell]) -> list[dict[str, object]]:
    """One row per method and mode in the order of the cells: mean and standard deviation."""
    groups: dict[tuple[str, str], list[Score]] = {}
    for cell in cells:
        group = groups.setdefault((cell.method, cell.mode), [])
        if cell in scores:
            group.append(scores[cell])
    return [_row(method, mode, group) for (method, mode), group in groups.items() if group]


def _row(method: str, mode: str, group: list[Score]) -> dict[str, object]:
    row: dict[str, object] = {"method": method, "mode": mode, "seeds": len(group)}
    for name in (*COLUMNS, "wall_s"):
        values = [v for v in (getattr(score, name) for score in group) if v is not None]
        if values:
            row[name] = {"mean": float(np.mean(values)), "std": float(np.std(values))}
    return row


def markdown(rows: list[dict[str, object]], heading: str) -> str:
    """The table as Markdown."""
    titles = ["method", "mode", *COLUMNS.values(), "seeds", "s per cell"]
    lines = [heading, "", _line(titles), _line(["---"] * len(titles))]
    for row in rows:
        wall = row["wall_s"]
        assert isinstance(wall, dict)
        numbers = [_spread(row.get(name)) for name in COLUMNS]
        seconds = f"{wall['mean']:.0f}"
        lines.append(_line([f"`{row['method']}`", row["mode"], *numbers, row["seeds"], seconds]))
    return "\n".join(lines) + "\n"


def _line(values: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, values)) + " |"


def _spread(value: object) -> str:
    return f"{value['mean']:.3f} ± {value['std']:.3f}" if isinstance(value, dict) else ""


def append(path: Path, cell: Cell, score: Score, where: str) -> None:
    """One line at the end, on disk at once; a line broken off by a crash before it is ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        row = {"cell": asdict(cell), "score": asdict(score), "machine": where}
        file.write(json.dumps(row).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _arguments(values: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, metavar="METHOD")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--seeds", nargs="+", type=int, default=range(5))
    parser.add_argument("--world", default="default")
    parser.add_argument("--set", action="append", default=[], help="a setting of every method")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--cells", type=Path, default=RESULTS / "simulator_cells.jsonl")
    parser.add_argument("--out", type=Path, default=RESULTS / "simulator")
    return parser.parse_args(values)


def main(values: list[str] | None = None) -> int:
    """Runs what is missing and writes the table; 1 if a cell failed."""
    chosen = _arguments(values)
    rows = [(method, mode) for method in chosen.methods or () for mode in chosen.modes] or ROWS
    cells = [
        Cell(method, mode, seed, chosen.world, tuple(chosen.set))
        for seed in chosen.seeds
        for method, mode in rows
    ]
    scores, where = finished(chosen.cells), machine()
    missing = [cell for cell in cells if cell not in scores]
    print(f"{where}\n{len(missing)} of {len(cells)} cells to run", flush=True)
    num_failed = 0
    for cell, score in run(missing, chosen.jobs):
        name = f"{cell.method} {cell.mode} seed {cell.seed}"
        if score is None:
            num_failed += 1
            print(f"{name}: failed", flush=True)
            continue
        append(chosen.cells, cell, score, where)
        scores[cell] = score
        nmi = "" if score.nmi_first is None else f", NMI {score.nmi_first:.3f}"
        print(f"{name}: mAP {score.map_average:.3f}{nmi}, {score.wall_s:.1f} s", flush=True)
    _write_table(chosen, table_of(scores, cells), where)
    return 1 if num_failed else 0


def _write_table(chosen: argparse.Namespace, rows: list[dict[str, object]], where: str) -> None:
    today = date.today().isoformat()
    settings = f", every method with {' '.join(chosen.set)}" if chosen.set else ""
    heading = (
        f"World `{chosen.world}`, seeds {' '.join(map(str, chosen.seeds))}{settings}: mean ± "
        f"standard deviation over seeds. {today}, {where}, one thread per cell."
    )
    content = {
        "date": today,
        "machine": where,
        "world": asdict(world_named(chosen.world)),
        "seeds": list(chosen.seeds),
        "settings": chosen.set,
        "rows": rows,
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    text = markdown(rows, heading)
    write_text(chosen.out.with_name(f"{chosen.out.name}.md"), text)
    write_text(
        chosen.out.with_name(f"{chosen.out.name}.json"), json.dumps(content, indent=1) + "\n"
    )
    print(text)


if __name__ == "__main__":
    sys.exit(main())
