"""Simulated corpora are what their knobs and their truth say."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans

from tests.e2e.conftest import Result, utal  # noqa: F401  the command line as a fixture
from tests.reference.simulating import action_weights
from utal.errors import ConfigError, DataError
from utal.evaluation.clusters import cluster_scores
from utal.evaluation.ground_truth import read_ground_truth
from utal.labels import read_labels
from utal.packs import Axis, read_array, read_corpus
from utal.simulate import Simulated, Timing, World, simulate, timing_from, tiny, write
from utal.simulate.rendering import _action, num_snippets, streams_of
from utal.simulate.timing import SNIPPET_S, Instance, TimedVideo
from utal.simulate.world import TIMING_KNOBS, WORLDS, with_knobs, world_named

QUIET = replace(
    tiny(),
    scene=(0.0, 0.0),
    background=(0.0, 0.0),
    noise=(0.0, 0.0),
    context=0.0,
    speed=0.0,
    intensity=0.0,
)
"""Nothing but the action changes the features."""


def equal(one: Simulated, other: Simulated, subset: str = "train", count: int = 99) -> bool:
    pairs = list(zip(one.videos(subset), other.videos(subset), strict=False))[:count]
    return all(
        a.name == b.name and a.timeline == b.timeline and np.array_equal(a.features, b.features)
        for a, b in pairs
    )


def inside(plan: TimedVideo, length: int, margin: float = 0.0) -> np.ndarray:
    """Share of each snippet that lies within `margin` snippets of an instance."""
    low = np.arange(length) * SNIPPET_S
    share = np.zeros(length)
    for each in plan.instances:
        start, end = each.start_s - margin * SNIPPET_S, each.end_s + margin * SNIPPET_S
        share += (np.minimum(end, low + SNIPPET_S) - np.maximum(start, low)).clip(0) / SNIPPET_S
    return share


# Randomness


def test_equal_seeds_give_equal_bits_and_others_do_not() -> None:
    one = simulate(tiny(), seed=3)
    assert equal(one, simulate(tiny(), seed=3))
    assert equal(one, simulate(tiny(), seed=3), "test")
    assert one.truth == simulate(tiny(), seed=3).truth
    other = simulate(tiny(), seed=4)
    assert one.truth != other.truth
    assert not equal(one, other, count=1)


def test_another_process_gets_the_same_bits() -> None:
    code = (
        "import hashlib\nfrom utal.simulate import simulate, tiny\n"
        "bits = b''.join(v.features.tobytes() for v in simulate(tiny(), seed=1).videos('test'))\n"
        "print(hashlib.sha256(bits).hexdigest())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    bits = b"".join(video.features.tobytes() for video in simulate(tiny(), seed=1).videos("test"))
    assert told.stdout.strip() == hashlib.sha256(bits).hexdigest()


def test_more_videos_leave_the_others_alone() -> None:
    few = simulate(tiny(), seed=0)
    many = simulate(replace(tiny(), num_train=20, num_test=9), seed=0)
    assert many.timing.train[:12] == few.timing.train
    assert equal(few, many)
    assert equal(few, many, "test")


def test_features_of_a_video_do_not_depend_on_the_videos_before() -> None:
    whole = simulate(tiny(), seed=0)
    last = Timing(whole.timing.train[-1:], whole.timing.test[:1])
    classes = whole.timing.class_names
    assert set(last.class_names) <= set(classes)
    (video,) = simulate(tiny(), seed=0, timing=last).videos("train")
    assert np.array_equal(video.features, whole.train.videos[-1].features)


@pytest.mark.parametrize(
    "change",
    [
        {"noise": (0.1, 0.1)},
        {"channels": (16, 4)},
        {"scene": (2.0, 2.0), "num_scenes": 5},
        {"num_backgrounds": 2, "background_snippets": (2, 3)},
        {"phases": 5, "phase_change": 0.0, "speed": 0.0, "intensity": 0.0},
        {"context": 1.0, "context_snippets": (2.0, 3.0)},
        {"confusable_pairs": 1, "magnitude": 2.0},
    ],
    ids=lambda change: "-".join(change),
)
def test_knobs_of_appearance_change_features_and_leave_the_timing(change: dict) -> None:
    one, other = simulate(tiny(), seed=0), simulate(replace(tiny(), **change), seed=0)
    assert one.timing == other.timing
    assert not equal(one, other, count=1)


def test_magnitude_only_scales() -> None:
    one, other = simulate(tiny(), seed=0), simulate(replace(tiny(), magnitude=0.9), seed=0)
    np.testing.assert_allclose(
        other.train.videos[0].features, 2 * one.train.videos[0].features, rtol=1e-5
    )


# Timing


@pytest.mark.parametrize("name", WORLDS)
def test_timing_keeps_within_the_ranges(name: str) -> None:
    world = replace(world_named(name), num_train=200, multi_label=0.3)
    plans = simulate(world, seed=0).timing.train
    counts = [len(plan.instances) for plan in plans]
    assert world.instances[0] == min(counts)
    assert world.instances[1] == max(counts)
    lengths = []
    for plan in plans:
        length = round(plan.duration_s / SNIPPET_S, 6)
        assert world.snippets[0] <= length <= world.snippets[1]
        assert length == int(length)
        limits = [(each.start_s / SNIPPET_S, each.end_s / SNIPPET_S) for each in plan.instances]
        edges = [0.0, *(edge for pair in limits for edge in pair), length]
        assert all(b - a >= 1 - 1e-9 for a, b in zip(edges[::2], edges[1::2], strict=True))
        lengths += [end - start for start, end in limits]
    low, high = world.instance_snippets
    assert low - 1e-9 <= min(lengths) < low + 0.1 * (high - low)
    assert high + 1e-9 >= max(lengths) > high - 0.1 * (high - low)


def test_classes_are_balanced_and_some_videos_hold_two() -> None:
    world = replace(World(), num_train=400, num_test=8, multi_label=0.25)
    held = [plan.labels for plan in simulate(world, seed=0).timing.train]
    assert {len(labels) for labels in held} == {1, 2}
    assert 0.18 < np.mean([len(labels) == 2 for labels in held]) < 0.32
    names, counts = np.unique(
        [labels[0] for labels in held if len(labels) == 1], return_counts=True
    )
    assert len(names) == 8
    assert counts.min() > 25
    alone = simulate(replace(world, multi_label=0.0), seed=0).timing.train
    assert {plan.labels for plan in alone[:8]} == {(f"class_{k:02d}",) for k in range(8)}


def test_instances_begin_within_snippets() -> None:
    plans = simulate(World(), seed=0).timing.train
    parts = np.array([each.start_s / SNIPPET_S % 1 for plan in plans for each in plan.instances])
    assert 0.2 < np.median(parts) < 0.8


# Features


@pytest.mark.parametrize("seed", range(3))
def test_features_look_like_pooled_activations(seed: int) -> None:
    world = replace(World(), channels=(128, 128))
    corpus = simulate(world, seed=seed).train
    assert corpus.streams == {"rgb": 128, "flow": 128}
    every = np.concatenate([video.features for video in corpus.videos])
    assert every.dtype == np.float32
    assert every.min() >= 0
    assert abs(np.sqrt((every**2).mean()) / world.magnitude - 1) < 0.2
    assert np.median(every) < every.mean()


def test_features_change_exactly_where_the_truth_says() -> None:
    simulated = simulate(QUIET, seed=0)
    for plan, video in zip(simulated.timing.train, simulated.train.videos, strict=True):
        share = inside(plan, video.num_snippets)
        empty = video.features[share == 0]
        assert len(empty)
        assert np.array_equal(empty, np.broadcast_to(empty[0], empty.shape))
        assert (np.abs(video.features[share > 0] - empty[0]).max(axis=1) > 0).all()


@pytest.mark.parametrize("context", [0.5, 1.0])
def test_context_looks_like_action_and_is_none(context: float) -> None:
    world = replace(QUIET, context=context, context_snippets=(2.0, 2.0), phase_change=0.0)
    simulated = simulate(world, seed=0)
    assert simulated.truth == simulate(QUIET, seed=0).truth
    num_seen = 0
    for plan, video in zip(simulated.timing.train, simulated.train.videos, strict=True):
        share, wide = (inside(plan, video.num_snippets, margin) for margin in (0, 2))
        near, far, action = (share == 0) & (np.abs(wide - 1) < 1e-9), wide == 0, share > 1 - 1e-9
        if len(plan.labels) == 1 and near.any() and far.any() and action.any():
            num_seen += 1
            low, high = video.features[far][0], video.features[action][0]
            part = (video.features[near] - low) / (high - low)  # each channel rises steadily
            if context == 1:
                np.testing.assert_allclose(part, 1, atol=1e-3)
            else:
                assert (part > 0).all()
                assert (part < 1).all()
    assert num_seen > 3


def test_weights_equal_the_slow_way() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        length, count = int(rng.integers(4, 12)), int(rng.integers(1, 5))
        start = rng.uniform(0, length - 1, count)
        end = np.minimum(start + rng.uniform(0.1, 5, count), length)  # they may overlap
        labels = rng.integers(2, size=count)
        plan = TimedVideo(
            "v",
            length * SNIPPET_S,
            tuple(
                Instance("ab"[k], s * SNIPPET_S, e * SNIPPET_S)
                for k, s, e in zip(labels, start.tolist(), end.tolist(), strict=True)
            ),
        )
        known = sorted(set(labels.tolist()))
        world = replace(tiny(), phases=int(rng.integers(1, 5)), phase_change=float(rng.random()))
        seen, share = _action(world, np.random.default_rng(7), plan, length)
        draws = np.random.default_rng(7)
        around = draws.uniform(*world.context_snippets, size=(2, count)).T
        bends = np.exp(world.speed * draws.standard_normal(count))
        strong = 1 + world.intensity * draws.uniform(-1, 1, count)
        want = action_weights(
            length,
            [(known.index(k), s, e) for k, s, e in zip(labels, start, end, strict=True)],
            num_classes=len(known),
            phases=world.phases,
            phase_change=world.phase_change,
            context=world.context,
            around=[tuple(pair) for pair in around],
            bends=bends.tolist(),
            strengths=strong.tolist(),
        )
        np.testing.assert_allclose(seen, want[0], atol=1e-9)
        np.testing.assert_allclose(share, want[1], atol=1e-9)
        assert share.max() <= 1 + 1e-9


def test_without_phases_an_action_looks_alike_throughout() -> None:
    for change, alike in ((0.0, True), (1.0, False)):
        simulated = simulate(replace(QUIET, phase_change=change), seed=0)
        plan, video = simulated.timing.train[0], simulated.train.videos[0]
        whole = video.features[inside(plan, video.num_snippets) > 0.999]
        assert len(plan.labels) == 1
        assert len(whole) > 2
        assert (np.ptp(whole, axis=0).max() < 1e-6) == alike


def test_confusable_classes_have_the_cosine() -> None:
    world = replace(
        World(), channels=(20_000, 10), confusable_pairs=2, confusable_cosine=0.7, num_classes=6
    )
    stream, _ = streams_of(world, 0, [f"class_{k}" for k in range(6)])
    unit = stream.phases / np.linalg.norm(stream.phases, axis=2, keepdims=True)
    cosines = np.einsum("apc,bpc->pab", unit, unit)
    expected = np.eye(6)
    expected[[0, 1, 2, 3], [1, 0, 3, 2]] = 0.7
    np.testing.assert_allclose(cosines, np.broadcast_to(expected, cosines.shape), atol=0.04)
    phases = np.einsum("apc,aqc->apq", unit, unit)
    between = np.broadcast_to(np.eye(3) * 0.5 + 0.5, phases.shape)
    np.testing.assert_allclose(phases, between, atol=0.04)


def test_videos_of_one_scene_look_alike_whatever_their_class() -> None:
    world = replace(QUIET, scene=(1.0, 1.0), scene_shared=1.0, scene_drift=0.0, num_train=30)
    simulated = simulate(world, seed=0)
    still = {
        video.features[inside(plan, video.num_snippets) == 0][0].tobytes()
        for plan, video in zip(simulated.timing.train, simulated.train.videos, strict=True)
    }
    assert len(still) == world.num_scenes
    own = simulate(replace(world, scene_shared=0.5), seed=0)
    plan, video = own.timing.train[0], own.train.videos[0]
    assert video.features[inside(plan, video.num_snippets) == 0][0].tobytes() not in still


def test_typical_scenes_tell_classes_and_not_when() -> None:
    world = replace(QUIET, scene=(1.0, 1.0), scene_shared=0.0, scene_drift=0.0, scene_typical=1.0)
    simulated = simulate(replace(world, num_train=30, multi_label=0.3), seed=0)
    looks: dict[tuple[str, ...], set[bytes]] = {}
    for plan, video in zip(simulated.timing.train, simulated.train.videos, strict=True):
        still = video.features[inside(plan, video.num_snippets) == 0]
        looks.setdefault(plan.labels, set()).update(row.tobytes() for row in still)
    assert {len(labels) for labels in looks} == {1, 2}
    assert all(len(found) == 1 for found in looks.values())
    assert len(set.union(*looks.values())) == len(looks)
    hidden = replace(World(), scene_shared=0.0)
    assert purities(replace(hidden, scene_typical=0.5)) > purities(hidden) + 0.2


def test_scenes_drift_slowly() -> None:
    world = replace(QUIET, scene=(1.0, 0.0), scene_drift=0.5, action=(0.0, 0.0))
    video = simulate(world, seed=0).train.videos[0]
    rgb, flow = np.split(video.features, 2, axis=1)
    assert np.ptp(flow, axis=0).max() < 1e-6
    assert rgb.std(axis=0).mean() > 0.02
    assert np.abs(np.diff(rgb, axis=0)).mean() < 0.4 * rgb.std(axis=0).mean()


def test_backgrounds_are_shared_and_give_way_to_action() -> None:
    world = replace(QUIET, background=(1.0, 1.0), action=(0.0, 0.0), num_backgrounds=4)
    simulated = simulate(world, seed=0)
    kinds = set()
    for plan, video in zip(simulated.timing.train, simulated.train.videos, strict=True):
        share = inside(plan, video.num_snippets)
        kinds |= {row.tobytes() for row in video.features[share == 0]}
        whole = video.features[share > 0.999999]
        assert np.ptp(whole, axis=0).max() < 1e-5
    assert len(kinds) == 4


def purities(world: World, seeds: int = 3) -> float:
    found = []
    for seed in range(seeds):
        simulated = simulate(world, seed=seed)
        vectors = np.stack([video.features.mean(axis=0) for video in simulated.train.videos])
        names = simulated.timing.class_names
        held = np.array([[n in labels for n in names] for labels in simulated.labels.values()])
        groups = KMeans(len(names), n_init=3, random_state=0).fit_predict(vectors)
        found.append(cluster_scores(groups, held).nmi_first)
    return float(np.mean(found))


def test_scenes_lead_clustering_astray() -> None:
    assert 0.45 < purities(World()) < 0.72
    assert purities(replace(World(), scene=(0.0, 0.0))) > purities(World()) + 0.1
    assert purities(replace(World(), scene=(3.0, 3.0))) < 0.3


# Real timing

ANNOTATION = {
    "database": {
        "a": {
            "subset": "train",
            "duration": 20.0,
            "annotations": [
                {"segment": ["1.5", "4.0"], "label": "Run"},
                {"segment": [18.0, 25.0], "label": "Jump"},
                {"segment": [5.0, 5.0], "label": "Run"},
                {"segment": [21.0, 22.0], "label": "Run"},
                {"segment": [6.0, 7.0], "label": "Ambiguous"},
            ],
        },
        "b": {"subset": "train", "annotations": [{"segment": [0, 1], "label": "Run"}]},
        "empty": {"subset": "train", "duration": 9, "annotations": []},
        "c": {
            "subset": "test",
            "duration": "12.8",
            "annotations": [{"segment": [2, 3.2], "label": "Walk"}],
        },
    }
}
KNOWN = {"b": 3.0, "c": 1.0}


def real_timing() -> Timing:
    return Timing(timing_from(ANNOTATION, "train", KNOWN), timing_from(ANNOTATION, "test"))


def test_timing_of_a_real_annotation() -> None:
    timing = real_timing()
    run, jump = Instance("Run", 1.5, 4.0), Instance("Jump", 18.0, 20.0)
    assert timing.train == (
        TimedVideo("a", 20.0, (run, jump)),
        TimedVideo("b", 3.0, (Instance("Run", 0.0, 1.0),)),
    )
    assert timing.test == (TimedVideo("c", 12.8, (Instance("Walk", 2.0, 3.2),)),)
    assert timing.class_names == ("Jump", "Run", "Walk")


def test_a_corpus_with_real_timing() -> None:
    simulated = simulate(QUIET, seed=0, timing=real_timing())
    assert [v.num_snippets for v in simulated.train.videos] == [31, 4]
    assert [v.num_snippets for v in simulated.test.videos] == [20]
    assert simulated.labels == {"a": ("Jump", "Run"), "b": ("Run",)}
    (video,) = simulated.test.videos
    share = inside(simulated.timing.test[0], 20)
    assert np.flatnonzero(share > 1e-9).tolist() == [3, 4]
    assert np.flatnonzero((np.diff(video.features, axis=0) != 0).any(axis=1)).tolist() == [2, 3, 4]
    database = simulated.truth["database"]
    assert isinstance(database, dict)
    assert database["a"]["annotations"][1] == {"segment": [18.0, 20.0], "label": "Jump"}


def test_world_knobs_of_timing_have_no_effect_on_real_timing() -> None:
    other = replace(
        QUIET,
        **{"num_classes": 5, "num_train": 7, "num_test": 2, "snippets": (40, 50)},
        **{"instances": (2, 2), "instance_snippets": (1.0, 2.0), "multi_label": 0.5},
    )
    changed = {name for name in World.__slots__ if getattr(other, name) != getattr(QUIET, name)}
    assert changed == set(TIMING_KNOBS)
    timing = real_timing()
    assert equal(simulate(QUIET, seed=0, timing=timing), simulate(other, seed=0, timing=timing))


def test_overlapping_instances_share_a_snippet() -> None:
    both = tuple(Instance(label, 2.0, 8.0) for label in ("Diving", "CliffDiving"))
    plans = [TimedVideo("a", 12.8, both), TimedVideo("b", 12.8, both[:1])]
    timing = Timing(tuple(plans), (TimedVideo("c", 12.8, both),))
    simulated = simulate(QUIET, seed=0, timing=timing)
    two, one = (video.features[8] for video in simulated.train.videos)
    assert not np.array_equal(two, one)
    assert np.isfinite(two).all()


@pytest.mark.parametrize(
    ("annotation", "subset", "message"),
    [
        ({}, "train", "database"),
        ({"database": {}}, "train", "it has no videos"),
        (ANNOTATION, "validation", "no subset 'validation'; it has 'test', 'train'"),
        (ANNOTATION, "train", "'b' has no duration"),
        ({"database": {"a": {"subset": "x", "duration": 3}}}, "x", "nothing is annotated"),
        (
            {"database": {"a": {"subset": "x", "duration": 3, "annotations": [{"segment": 3}]}}},
            "x",
            "annotation 0",
        ),
    ],
)
def test_bad_annotations(annotation: dict, subset: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        timing_from(annotation, subset)


def test_videos_are_in_one_subset_only() -> None:
    plans = timing_from(ANNOTATION, "test")
    with pytest.raises(DataError, match="'c' occurs twice"):
        Timing(plans, plans)
    with pytest.raises(DataError, match="videos to test on"):
        Timing(plans, ())


# Knobs

WRONG = [
    ({"num_classes": 0}, "num_classes must be at least 1"),
    ({"num_train": 5}, "num_train must be at least 8"),
    ({"channels": (0, 3)}, "channels must be at least 1"),
    ({"snippets": (90, 60)}, "snippets must be"),
    ({"snippets": (20, 60)}, "cannot hold 4 instances of 12; raise snippets to at least 53"),
    ({"instance_snippets": (0.0, 2.0)}, "must be positive"),
    ({"multi_label": 1.5}, "multi_label must be in"),
    ({"phase_change": -0.1}, "phase_change"),
    ({"noise": (-1.0, 0.0)}, "noise must be at least 0"),
    ({"noise": (float("nan"), 0.0)}, "noise"),
    ({"speed": float("inf")}, "speed"),
    ({"context": 1.1}, "context"),
    ({"magnitude": 0.0}, "magnitude"),
    ({"scene_shared": 0.6, "scene_typical": 0.6}, "must not add up to more than 1"),
    ({"intensity": 1.2}, "intensity"),
    ({"num_classes": 1, "confusable_pairs": 0}, "at least 2 classes"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=str)
def test_knobs_out_of_range(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(World(), **change)


def test_too_many_pairs_and_negative_seeds() -> None:
    with pytest.raises(ConfigError, match="5 pairs need 10 classes, there are 8"):
        simulate(replace(World(), confusable_pairs=5), seed=0)
    with pytest.raises(ConfigError, match="seed"):
        simulate(tiny(), seed=-1)


def test_knobs_from_text() -> None:
    changed = with_knobs(
        World(), ["noise=[0, 0.5]", "num_train=9", "context=1", "snippets=[70,80]"]
    )
    assert changed == replace(
        World(), noise=(0.0, 0.5), num_train=9, context=1.0, snippets=(70, 80)
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("noise", "expected KNOB=VALUE"),
        ("nois=[1,1]", "no knob 'nois'; did you mean 'noise'?"),
        ("noise=1", "expected two numbers as in"),
        ("noise=[1,2,3]", "expected two numbers as in"),
        ("snippets=[70.5,80]", "expected two whole numbers"),
        ("num_train=9.5", "expected a whole number, got '9.5'"),
        ("num_train=true", "expected a whole number"),
        ("context=high", "expected a number"),
        ('context="1"', "expected a number"),
        ("context=2", "context must be in"),
    ],
)
def test_wrong_settings(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        with_knobs(World(), [setting])


def test_unknown_world() -> None:
    with pytest.raises(ConfigError, match="there are default, tiny"):
        world_named("thumos")


# Folders


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    simulated = simulate(replace(tiny(), multi_label=0.4), seed=0)
    write(simulated, tmp_path / "deep" / "corpus")
    folder = tmp_path / "deep" / "corpus"
    assert [path.name for path in folder.parent.iterdir()] == ["corpus"]
    for subset, corpus in (("train", simulated.train), ("test", simulated.test)):
        read = read_corpus(folder, subset=subset, axis=Axis())
        assert read.streams == corpus.streams
        for one, other in zip(read.videos, corpus.videos, strict=True):
            assert (one.name, one.timeline) == (other.name, other.timeline)
            assert np.array_equal(one.features, other.features)
    truth = read_ground_truth(folder / "truth.json", "train")
    held = truth.video_labels(simulated.train.names)
    given, labels = read_labels(folder / "labels.csv", simulated.train.names)
    assert labels == truth.class_names
    assert np.array_equal(given.targets.numpy() == 1, held)
    assert held.sum() > len(held)
    assert read_ground_truth(folder / "truth.json", "test").names == simulated.test.names
    assert json.loads((folder / "world.json").read_text())["seed"] == 0
    assert json.loads(json.dumps(simulated.truth)) == simulated.truth


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        write(simulate(tiny(), seed=0), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def save(path: Path, array: np.ndarray) -> None:
        written.append(path)
        if len(written) == 5:
            raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(np, "save", save)
    with pytest.raises(OSError, match="No space"):
        write(simulate(tiny(), seed=0), tmp_path / "corpus")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("snippets", "width", "kept"), [(512, 16, 511), (512, 1024, 512)])
def test_no_length_makes_an_array_look_transposed(
    tmp_path: Path, snippets: int, width: int, kept: int
) -> None:
    count = num_snippets(snippets * SNIPPET_S, (width, width))
    assert count == kept
    np.save(tmp_path / "a.npy", np.zeros((count, width), np.float32))
    assert read_array(tmp_path / "a.npy").shape == (kept, width)


@pytest.mark.parametrize("snippets", [1, 7, 60, 111, 2500])
def test_whole_snippets_are_counted_exactly(snippets: int) -> None:
    assert num_snippets(snippets * SNIPPET_S, (8, 8)) == snippets
    assert num_snippets((snippets + 0.9) * SNIPPET_S, (8, 8)) == snippets
    assert num_snippets(0.1, (8, 8)) == 1


# Command line

Command = Callable[..., Result]


def test_command(utal: Command, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "corpus"
    told = utal("simulate", "-o", out, "--world", "tiny", "--seed", 5, "--set", "num_test=3")
    assert told.code == 0, told.err
    assert "12 videos to learn from, 3 to be scored on, 3 classes" in told.out
    expected = simulate(replace(tiny(), num_test=3), seed=5)
    read = read_corpus(out, subset="test", axis=Axis())
    for one, other in zip(read.videos, expected.test.videos, strict=True):
        assert np.array_equal(one.features, other.features)
    again = utal("simulate", "-o", out, "--world", "tiny")
    assert again.code == 2
    assert "is not empty" in again.err


def test_command_with_real_timing(utal: Command, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "truth.json").write_text(json.dumps(ANNOTATION))
    (tmp_path / "durations.csv").write_text("video,duration_s,fps\nb,3.0,25\n")
    given = ("--timing", tmp_path / "truth.json")
    lacking = utal("simulate", "-o", tmp_path / "out", "--world", "tiny", *given)
    assert lacking.code == 2
    assert f"{tmp_path / 'truth.json'}: annotation: video 'b' has no duration" in lacking.err
    told = utal(
        *("simulate", "-o", tmp_path / "out", "--world", "tiny", *given),
        *("--durations", tmp_path / "durations.csv"),
    )
    assert told.code == 0, told.err
    assert read_corpus(tmp_path / "out", subset="train", axis=Axis()).names == ("a", "b")
    idle = utal("simulate", "-o", tmp_path / "two", *given, "--set", "num_train=9")
    assert idle.code == 2
    assert "--set num_train: with --timing, the annotation decides that" in idle.err


def test_command_refuses_odd_durations(utal: Command, tmp_path: Path) -> None:  # noqa: F811
    table = tmp_path / "durations.csv"
    (tmp_path / "truth.json").write_text(json.dumps(ANNOTATION))
    given = ("simulate", "-o", tmp_path / "out", "--timing", tmp_path / "truth.json")
    for content, message in (
        ("name,seconds\n", "expected a CSV table"),
        ("video,duration_s\nb,long\n", "durations.csv:2: expected seconds, found 'long'"),
    ):
        table.write_text(content)
        told = utal(*given, "--durations", table)
        assert told.code == 2
        assert message in told.err
    assert "goes with --timing" in utal("simulate", "-o", tmp_path, "--durations", table).err
