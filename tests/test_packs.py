import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from utal.errors import DataError
from utal.packs import Axis, read_array, read_corpus

RNG = np.random.default_rng(0)


def save(path: Path, *shape: int) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = RNG.normal(size=shape).astype(np.float32)
    np.save(path, array)
    return array


def released(root: Path) -> dict[str, np.ndarray]:
    """The layout of the CoLA and BaS-Net data: features/{train,test}/{rgb,flow}/ID.npy."""
    expected = {}
    for subset, names in (("train", ("b", "a")), ("test", ("c",))):
        for name in names:
            length = int(RNG.integers(5, 20))
            rgb = save(root / "features" / subset / "rgb" / f"{name}.npy", length, 1024)
            flow = save(root / "features" / subset / "flow" / f"{name}.npy", length, 1024)
            expected[name] = np.concatenate([rgb, flow], axis=1)
        (root / f"split_{subset}.txt").write_text("\n".join(names) + "\n")
    return expected


def test_released_layout(tmp_path: Path) -> None:
    expected = released(tmp_path)
    notes: list[str] = []
    corpus = read_corpus(tmp_path, subset="train", on_note=notes.append)
    assert corpus.names == ("b", "a")  # the order of the split list
    assert corpus.streams == {"rgb": 1024, "flow": 1024}
    for video in corpus.videos:
        np.testing.assert_array_equal(video.features, expected[video.name])
        assert video.timeline.duration == pytest.approx(len(expected[video.name]) * 0.64)
        assert video.timeline.start(3) == pytest.approx(3 * 16 / 25)
    assert "taken as 25 fps and 16-frame snippets" in notes[0]
    assert read_corpus(tmp_path / "features" / "test").names == ("c",)
    with pytest.raises(DataError, match="holds the subsets test, train; choose one"):
        read_corpus(tmp_path)
    with pytest.raises(DataError, match="there is no 'val'"):
        read_corpus(tmp_path, subset="val")


def test_split_list_with_a_missing_video(tmp_path: Path) -> None:
    released(tmp_path)
    (tmp_path / "split_train.txt").write_text("a\nb\nghost\n")
    with pytest.raises(DataError, match="names 'ghost' and 0 more"):
        read_corpus(tmp_path, subset="train")


def test_joint_layout_and_axis(tmp_path: Path) -> None:
    expected = save(tmp_path / "one.npy", 7, 48)
    save(tmp_path / "two.npy", 9, 48)
    corpus = read_corpus(tmp_path, axis=Axis(30.0, 4.0, 16))
    np.testing.assert_array_equal(corpus.videos[0].features, expected)
    assert corpus.videos[0].timeline.start(0.5) == pytest.approx(8 / 30)
    assert corpus.videos[0].timeline.duration == pytest.approx(7 * 4 / 30)


def test_joint_i3d_features_are_two_streams(tmp_path: Path) -> None:
    save(tmp_path / "one.npy", 7, 2048)
    notes: list[str] = []
    corpus = read_corpus(tmp_path, axis=Axis(), on_note=notes.append)
    assert corpus.streams == {"rgb": 1024, "flow": 1024}
    assert notes == [f"{tmp_path}: 2048 channels, taken as RGB, then flow, of 1024 each"]


def own_pack(root: Path) -> dict[str, object]:
    save(root / "a%2Fb.npy", 5, 12)
    pack: dict[str, object] = {
        "format": "utal-features-1",
        "streams": {"appearance": 8, "motion": 4},
        "fps_sampled": 25.0,
        "window_frames": 16,
        "stride_frames": 16,
        "offset_s": 0.32,
        "videos": {"a/b": {"file": "a%2Fb.npy", "source": "/films/a/b.mp4", "duration_s": 3.3}},
    }
    (root / "features.json").write_text(json.dumps(pack))
    return pack


def test_own_pack(tmp_path: Path) -> None:
    own_pack(tmp_path)
    corpus = read_corpus(tmp_path)
    assert corpus.names == ("a/b",)
    assert corpus.streams == {"appearance": 8, "motion": 4}
    assert corpus.videos[0].source == "/films/a/b.mp4"
    assert corpus.videos[0].timeline.duration == pytest.approx(3.3)


@pytest.mark.parametrize("key", ["streams", "fps_sampled", "offset_s", "videos"])
def test_damaged_own_pack(tmp_path: Path, key: str) -> None:
    pack = own_pack(tmp_path)
    del pack[key]
    (tmp_path / "features.json").write_text(json.dumps(pack))
    with pytest.raises(DataError, match=r"not a features\.json of utal"):
        read_corpus(tmp_path)


def test_pack_cannot_point_outside(tmp_path: Path) -> None:
    pack = own_pack(tmp_path / "pack")
    save(tmp_path / "secret.npy", 5, 12)
    pack["videos"]["a/b"]["file"] = "../secret.npy"  # type: ignore[index]
    (tmp_path / "pack" / "features.json").write_text(json.dumps(pack))
    with pytest.raises(DataError, match=r"pack/secret\.npy: no such feature file"):
        read_corpus(tmp_path / "pack")


def bad(path: Path, kind: str) -> None:
    nan = np.ones((5, 48), np.float32)
    nan[3, 2] = np.nan
    contents = {
        "nan": nan,
        "one axis": np.ones(48, np.float32),
        "empty": np.ones((0, 48), np.float32),
        "integers": np.ones((5, 48), np.int64),
        "transposed": np.ones((2048, 350), np.float32),
    }
    if kind == "pickled":
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps([1, 2]))
    elif kind == "text":
        path.write_text("not an array")
    elif kind == "cut":
        np.save(path, contents["transposed"])
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == "nothing":
        path.write_bytes(b"")
    else:
        np.save(path, contents[kind])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nan", "snippet 3 holds NaN"),
        ("one axis", "expected an array time x channel"),
        ("empty", "expected an array time x channel"),
        ("integers", "expected floating-point features, got int64"),
        ("transposed", "looks transposed"),
        ("pickled", "pickled Python objects, which are never loaded"),
        ("pickle", "expected a .npy array"),
        ("text", "expected a .npy array"),
        ("cut", "expected a .npy array"),
        ("nothing", "expected a .npy array"),
    ],
)
def test_bad_file(tmp_path: Path, kind: str, message: str) -> None:
    path = tmp_path / "x.npy"
    bad(path, kind)
    with pytest.raises(DataError, match=message) as error:
        read_array(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_corpus(tmp_path / "ghost")
    with pytest.raises(DataError, match="found none"):
        read_corpus(tmp_path)
    save(tmp_path / "widths" / "a.npy", 5, 48)
    save(tmp_path / "widths" / "b.npy", 6, 49)
    with pytest.raises(DataError, match="expected 48 channels as in 'a', got 49"):
        read_corpus(tmp_path / "widths")
    save(tmp_path / "turned" / "a.npy", 48, 5)
    save(tmp_path / "turned" / "b.npy", 48, 6)
    with pytest.raises(DataError, match="look transposed"):
        read_corpus(tmp_path / "turned")
    save(tmp_path / "lengths" / "rgb" / "a.npy", 5, 48)
    save(tmp_path / "lengths" / "flow" / "a.npy", 6, 48)
    with pytest.raises(DataError, match="has 6 snippets, but rgb has 5"):
        read_corpus(tmp_path / "lengths")
    save(tmp_path / "half" / "rgb" / "a.npy", 5, 48)
    with pytest.raises(DataError, match="found no flow/"):
        read_corpus(tmp_path / "half")
