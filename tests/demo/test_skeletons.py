import importlib.resources

import numpy as np

from utal.demo.skeletons import EXERCISES, PARENT, load_skeletons, packed, unpacked


def test_the_packed_file_is_small_and_its_licence_is_beside_it():
    folder = importlib.resources.files("utal.demo")
    assert len(folder.joinpath("ui_prmd.npz").read_bytes()) <= 2_000_000
    text = folder.joinpath("ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "Vakanski" in text
    assert "Public Domain" in text


def test_ten_people_repeat_each_of_ten_exercises_ten_times():
    skeletons = load_skeletons()
    counts = np.zeros((len(EXERCISES), skeletons.num_people), int)
    np.add.at(counts, (skeletons.exercise, skeletons.person), 1)
    assert counts.shape == (10, 10)
    assert (counts == 10).all()
    assert skeletons.start[-1] == len(skeletons.positions_mm)
    assert skeletons.fps == 15


def test_skeletons_are_those_of_people():
    skeletons = load_skeletons()
    heights = [skeletons.joints(row)[0, 5, 1] for row in skeletons.repetitions(6, 0)]
    np.testing.assert_allclose(heights, np.median(heights), atol=0.03)
    assert 1.3 < np.median(heights) < 2.0
    squat = skeletons.joints(skeletons.repetitions(0, 0)[0])
    assert squat[0, 0, 1] - squat[:, 0, 1].min() > 0.3, "the hips sink in a squat"


def test_packing_loses_nothing():
    rng = np.random.default_rng(0)
    positions = rng.integers(-3000, 3000, (9, len(PARENT), 3)).astype(np.int16)
    start = np.array([0, 4, 5, 9])
    np.testing.assert_array_equal(unpacked(*packed(positions, start), start), positions)
