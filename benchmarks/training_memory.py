"""Peak memory of training each THUMOS14 preset at full width: 1024 + 1024 channels, its own batch.

`python -m benchmarks.training_memory [NAME ...]` trains each preset for one step (where there is a
teacher, one more) on synthetic features in a process of its own and prints the largest resident
set. Videos are as long as those of THUMOS14: 750 snippets, and one in eight 2,202, the longest of
its training set.
"""

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import torch

from benchmarks.machine import machine
from utal.config import method_named
from utal.corpus import Corpus
from utal.loop import rounds
from utal.methods.catalogue import PAPERS
from utal.records import PseudoLabels, Timeline, Video

LIMIT_GB = 12
CPU = torch.device("cpu")


def corpus_of(count: int) -> Corpus:
    """Synthetic features of I3D's shape; all videos share one table of numbers."""
    table = np.random.default_rng(0).random((2202, 2048), np.float32)
    videos = []
    for number in range(count):
        length = 2202 if number % 8 == 0 else 750
        timeline = Timeline(25.0, 16.0, 16, length * 0.64)
        videos.append(Video(f"video_{number}", table[:length], timeline))
    return Corpus(tuple(videos), {"rgb": 1024, "flow": 1024})


def train(name: str) -> float:
    """Trains the preset on given labels; returns the seconds of a step."""
    method = method_named(name)
    plan = replace(method.training, steps=1, scale_steps=False, min_steps=1)
    method = replace(method, training=plan, num_rounds=min(method.weak_rounds, 2))
    corpus = corpus_of(max(24, plan.batch_size or 0))
    targets = torch.eye(20)[torch.arange(len(corpus)) % 20]
    given = PseudoLabels(torch.arange(len(corpus)), targets, torch.ones(len(corpus)))
    start = time.perf_counter()
    for _ in rounds(method, corpus, 20, seed=0, device=CPU, given=given):
        pass
    return (time.perf_counter() - start) / method.num_rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--alone", action="store_true", help="in this process, no table")
    asked = parser.parse_args()
    if asked.alone:
        taken = train(asked.names[0])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{peak:.1f} {taken:.1f}")
        return
    print(machine())
    alone = [paper for paper in PAPERS if "thumos14" in PAPERS[paper] and "+" not in paper]
    names = asked.names or [f"{paper}/thumos14" for paper in alone]
    for name in names:
        command = [sys.executable, "-m", "benchmarks.training_memory", "--alone", name]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        peak, taken = map(float, told.split())
        mark = "" if peak < LIMIT_GB else f"  <- over {LIMIT_GB} GB"
        print(f"{name:<24} {peak:5.1f} GiB, {taken:6.1f} s per step{mark}", flush=True)


if __name__ == "__main__":
    main()
