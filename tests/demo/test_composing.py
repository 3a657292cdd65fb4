import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from utal.demo import composing
from utal.demo.planning import planned
from utal.demo.recordings import Recording, recorded
from utal.demo.skeletons import load_skeletons
from utal.errors import ConfigError, DataError

av = pytest.importorskip("av")
rendering = pytest.importorskip("utal.demo.rendering")

PLANS = planned(42, 10, 0)


@pytest.fixture
def short(monkeypatch):
    """Composes recordings of two seconds only."""

    def two_seconds(plan, skeletons):
        whole = recorded(plan, skeletons)
        return replace(whole, joints=whole.joints[: round(2 * plan.fps)], repetitions=((5, 40),))

    monkeypatch.setattr(composing, "recorded", two_seconds)


def read(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        pictures = [frame.to_ndarray(format="bgr24") for frame in container.decode(stream)]
        return stream.average_rate, stream.codec_context.name, np.array(pictures)


@pytest.mark.parametrize("fps", [25.0, 24.0, 30.0])
def test_a_video_opens_and_moves(tmp_path, fps):
    plan = next(plan for plan in PLANS if plan.fps == fps)
    whole = recorded(plan, load_skeletons())
    first = whole.repetitions[0][0]
    recording = Recording(whole.joints[first : first + round(2 * fps)], fps, ((0, 10),))
    stage = rendering.staged(plan, recording)
    path = tmp_path / "a.mp4"
    rendering.save_video(path, rendering.frames(stage, recording, plan.seed), fps)
    rate, codec, pictures = read(path)
    assert (float(rate), codec) == (fps, "h264")
    assert pictures.shape == (round(2 * fps), 240, 320, 3)
    changed = np.abs(np.diff(pictures[::10].astype(int), axis=0)).max(axis=(0, 3))
    assert (changed > 40).mean() > 0.005, "the person moves"
    assert (changed > 40).mean() < 0.4, "the place does not"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("index", [0, 8, 20])
def test_drawing_only_where_something_changed_changes_nothing(monkeypatch, index):
    plan = PLANS[index]
    whole = recorded(plan, load_skeletons())
    recording = Recording(whole.joints[::45], plan.fps, ())
    stage = rendering.staged(plan, recording)
    quick = list(rendering.frames(stage, recording, plan.seed))
    monkeypatch.setattr(rendering, "_touched", lambda *_: (slice(0, 240), slice(0, 320)))
    np.testing.assert_array_equal(quick, list(rendering.frames(stage, recording, plan.seed)))


def test_a_person_fills_about_half_of_the_height():
    for plan in PLANS[:6]:
        recording = recorded(plan, load_skeletons())
        camera = rendering.staged(plan, recording).camera
        calm = np.argmax(recording.joints[:, 5, 1] > np.median(recording.joints[:, 5, 1]))
        places, _ = camera.projected(recording.joints[calm])
        assert 0.4 < np.ptp(places[:, 1]) / 480 < 0.8


@pytest.mark.usefixtures("short")
def test_composing_twice_gives_the_same_bytes(tmp_path):
    named = []
    one, other = tmp_path / "one", tmp_path / "other"
    file = composing.compose(one, num_videos=2, workers=1, on_done=named.append)
    composing.compose(other, num_videos=2, workers=1)
    files = sorted(path.name for path in (one / "videos").iterdir())
    assert files == ["recording_01.mp4", "recording_02.mp4"]
    assert sorted(named) == ["recording_01", "recording_02"]
    assert file == one / "truth.json"
    for name in ("truth.json", *(f"videos/{name}" for name in files)):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    truth = json.loads(file.read_text(encoding="utf-8"))
    assert set(truth) == {"version", "taxonomy", "database"}
    assert list(truth["database"]) == ["recording_01", "recording_02"]
    assert truth["database"]["recording_01"]["annotations"][0]["segment"] == [5 / 30, 40 / 30]


@pytest.mark.usefixtures("short")
def test_another_seed_gives_other_videos(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    composing.compose(one, num_videos=1, workers=1)
    composing.compose(other, num_videos=1, workers=1, seed=1)
    name = "videos/recording_01.mp4"
    assert (one / name).read_bytes() != (other / name).read_bytes()


@pytest.mark.usefixtures("short")
def test_finished_work_is_kept_and_anything_else_refused(tmp_path, monkeypatch):
    truth = composing.compose(tmp_path / "one", num_videos=2, workers=1)
    named = []
    with monkeypatch.context() as patch:
        patch.delattr(composing, "_render_all")
        again = composing.compose(tmp_path / "one", num_videos=2, on_done=named.append)
    assert again == truth
    assert named == ["recording_01", "recording_02"]
    for wrong in ({"num_videos": 2, "seed": 1}, {"num_videos": 1}):
        with pytest.raises(DataError, match="expected an empty folder"):
            composing.compose(tmp_path / "one", **wrong)
    (tmp_path / "one" / "videos" / "recording_02.mp4").unlink()
    with pytest.raises(DataError, match="expected an empty folder"):
        composing.compose(tmp_path / "one", num_videos=2)


def test_a_used_folder_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(DataError, match=r"expected an empty folder, found mine\.txt"):
        composing.compose(tmp_path, num_videos=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="no folder to write to"):
        composing.compose(tmp_path / "file" / "below", num_videos=1)


@pytest.mark.parametrize("wrong", [{"num_videos": 0}, {"workers": 0}, {"seed": -1}])
def test_impossible_numbers_are_refused(tmp_path, wrong):
    with pytest.raises(ConfigError, match="at least"):
        composing.compose(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("module", "package"), [("av", "av"), ("cv2", "opencv-contrib")])
def test_missing_packages_are_named(tmp_path, monkeypatch, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "utal.demo.rendering")
    with pytest.raises(ConfigError, match=rf"{package}.*pip install 'utal\[video\]'"):
        composing.compose(tmp_path / "new", num_videos=1)
    assert not (tmp_path / "new").exists()
