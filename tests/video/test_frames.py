"""Frames carry their own time as brightness, so that what is decoded can be checked against it."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from utal.errors import DataError
from utal.video.frames import Decoded, fitted, luma, resampled_frames, rgb

TICK = Fraction(1, 3000)  # of 24, 25 and 30 frames per second all frames fall on one
NUM_BITS = 12


def signed(number: int, width: int = 144, height: int = 48) -> np.ndarray:
    """A frame with a number written into it, one bright or dark bar per bit."""
    bits = [(number >> bit) & 1 for bit in range(NUM_BITS)]
    row = np.repeat(np.array([220 if bit else 30 for bit in bits], np.uint8), width // NUM_BITS)
    return np.ascontiguousarray(np.broadcast_to(row, (height, width)))


def read(frame: np.ndarray) -> int:
    """The number in a frame."""
    bars = frame.mean(axis=0).reshape(NUM_BITS, -1).mean(axis=1)
    return sum(1 << bit for bit, bar in enumerate(bars) if bar > 125)


def written(
    path: Path,
    stamps: list[int],
    *,
    tick: Fraction = TICK,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    rate: int | Fraction = 25,
    rotation: int = 0,
    size: tuple[int, int] = (144, 48),
) -> Path:
    """A video whose i-th frame says i and is shown at the i-th stamp."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {"threads": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        stream.codec_context.time_base = tick
        if rotation:
            stream.set_display_rotation(rotation)
        for number, stamp in enumerate(stamps):
            gray = av.VideoFrame.from_ndarray(signed(number, *size), format="gray")
            frame = gray.reformat(format=pixels)
            frame.pts, frame.time_base = stamp, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def decoded(path: Path, fps: float = 25, longest_side: int = 144) -> tuple[list[int], Decoded]:
    """The number in each grid frame, and the record of the decoding."""
    ends: list[Decoded] = []
    frames = resampled_frames(path, fps=fps, longest_side=longest_side, on_end=ends.append)
    return [read(frame) for frame in frames], ends[0]


def check_times(numbers: list[int], times: list[float], fps: float = 25) -> None:
    """Every grid frame shows one of the source frames nearest to its time."""
    for index, number in enumerate(numbers):
        off = [abs(time - times[0] - index / fps) for time in times]
        assert off[number] <= min(off) + 1e-6, f"grid frame {index} shows {number}"


RATES = [
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
    Fraction(50),
    Fraction(10),
]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_constant_rates_keep_their_time(tmp_path: Path, rate: Fraction, name: str) -> None:
    codec = "mpeg4" if name == "a.avi" else "libx264"
    path = written(tmp_path / name, list(range(75)), tick=1 / rate, codec=codec, rate=rate)
    numbers, found = decoded(path)
    check_times(numbers, [float(i / rate) for i in range(75)])
    assert found.num_frames == 75
    assert found.duration_s == pytest.approx(75 / rate, abs=0.002)
    assert len(numbers) == pytest.approx(75 / rate * 25, abs=1.01)
    assert found.fps == pytest.approx(float(rate), rel=1e-3)
    assert not found.has_variable_rate
    assert (found.bad_packets, found.missing_s) == (0, 0)


def test_frames_of_the_same_rate_are_all_there_once(tmp_path: Path) -> None:
    numbers, _ = decoded(written(tmp_path / "a.mkv", list(range(0, 50 * 120, 120))))
    assert numbers == list(range(50))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_variable_rates_keep_their_time(tmp_path: Path, name: str) -> None:
    gaps = np.random.default_rng(0).choice([60, 100, 120, 200, 390], 99)
    stamps = np.concatenate([[0], np.cumsum(gaps)]).tolist()
    numbers, found = decoded(written(tmp_path / name, stamps))
    check_times(numbers, [round(stamp / 3) / 1000 for stamp in stamps])  # Matroska's milliseconds
    assert found.has_variable_rate
    assert found.bad_packets == 0
    assert found.num_frames == 100


def test_a_long_still_is_left_only_a_tenth_of_a_second_early(tmp_path: Path) -> None:
    stamps = [0, 120, 240, 240 + 6000, 240 + 6120]  # two seconds between the third and the fourth
    numbers, _ = decoded(written(tmp_path / "a.mp4", stamps))
    assert numbers[2:50] == [2] * 48  # grid frame 49 is 0.12 s early, frame 50 is 0.08 s early
    assert numbers[50:] == [3, 3, 3, 4]


def test_late_starts_are_left_out(tmp_path: Path) -> None:
    stamps = [4200 + 120 * i for i in range(50)]
    numbers, found = decoded(written(tmp_path / "a.mkv", stamps))
    assert numbers == list(range(50))
    assert found.duration_s == pytest.approx(2.0, abs=0.002)


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.avi"])
def test_frames_that_are_stored_out_of_order_are_shown_in_order(tmp_path: Path, name: str) -> None:
    options = {"threads": "1", "x264-params": "bframes=3:b-adapt=0"}
    tick = Fraction(1, 25)
    numbers, found = decoded(written(tmp_path / name, list(range(60)), tick=tick, options=options))
    assert numbers == list(range(60))
    assert found.num_frames == 60


def test_a_raw_stream_without_times_is_taken_as_regular(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h264", list(range(50)), tick=Fraction(1, 25))
    numbers, found = decoded(path)
    assert found.num_frames == 50
    assert numbers == list(range(50))


def test_two_recordings_in_one_transport_stream_follow_each_other(tmp_path: Path) -> None:
    first = written(tmp_path / "a.ts", list(range(300)), tick=Fraction(1, 25)).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(first * 2)
    numbers, found = decoded(path)
    assert found.duration_s == pytest.approx(24, abs=0.5)
    assert numbers[:300] == list(range(300))
    assert numbers[-100:] == list(range(200, 300))


def zeroed(path: Path, share: float = 0.5, length: int = 400) -> Path:
    content = bytearray(path.read_bytes())
    start = int(len(content) * share)
    content[start : start + length] = bytes(length)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.ts", "libx264"),
        ("a.avi", "mjpeg"),
        ("a.avi", "mpeg4"),
        ("a.mp4", "mpeg4"),
    ],
)
def test_damage_costs_its_own_frames_and_is_counted(tmp_path: Path, name: str, codec: str) -> None:
    path = written(
        tmp_path / name,
        list(range(200)),
        tick=Fraction(1, 25),
        codec=codec,
        pixels="yuvj420p" if codec == "mjpeg" else "yuv420p",
        options={"g": "12", "threads": "1"},
    )
    numbers, found = decoded(zeroed(path))
    assert found.bad_packets >= 1
    assert found.num_frames >= 200 - 30
    if (name, codec) == ("a.mp4", "mpeg4"):  # no packet is lost, and each gives one frame or none
        assert found.bad_packets + found.num_frames >= 200
    assert found.duration_s > 7
    assert len(set(numbers[-40:]) & set(range(160, 200))) >= 30  # the end is there
    if name != "a.avi":  # which has no times, so that a hole shortens it
        late = [index for index, number in enumerate(numbers) if number != index]
        assert len(late) <= 30
        assert late[-1] - late[0] <= 30  # all others are in their places


@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.avi", "front.mp4"])
def test_a_cut_file_is_used_up_to_the_cut(tmp_path: Path, name: str) -> None:
    codec = "mpeg4" if name == "a.avi" else "libx264"
    stamps, tick = list(range(200)), Fraction(1, 25)
    path = written(tmp_path / name, stamps, tick=tick, codec=codec)
    if name == "front.mp4":
        source, path = path, tmp_path / "moved.mp4"
        with (
            av.open(str(source)) as old,
            av.open(str(path), "w", options={"movflags": "faststart"}) as new,
        ):
            copy = new.add_stream_from_template(old.streams.video[0])
            for packet in old.demux(old.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = copy
                    new.mux(packet)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    numbers, found = decoded(path)
    assert 60 <= found.num_frames < 190
    assert numbers[:50] == list(range(50))
    if path.suffix != ".ts":  # a transport stream does not say how long it should be
        assert found.bad_packets >= 1
    if path.suffix in (".mkv", ".mp4"):
        assert found.missing_s == pytest.approx(8 - found.duration_s, abs=0.2)


def test_nothing_decodable_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp4", list(range(30)), tick=Fraction(1, 25))
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    with pytest.raises(DataError, match="none of its frames can be decoded") as caught:
        decoded(path)
    assert str(caught.value).startswith(f"{path}: ")


def first_frame(path: Path, longest_side: int) -> np.ndarray:
    frames: Iterator[np.ndarray] = resampled_frames(path, fps=25, longest_side=longest_side)
    return next(frames)


@pytest.mark.parametrize(
    ("degrees", "bright"),
    [(0, np.s_[:, -12:]), (90, np.s_[:12]), (180, np.s_[:, :12]), (-90, np.s_[-12:])],
)
def test_rotated_videos_come_upright(
    tmp_path: Path, degrees: int, bright: tuple[slice, ...] | slice
) -> None:
    """The bar of the highest bit is at the right; turned counterclockwise it is at the top."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"threads": "1"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 144, 48, "yuv420p"
        if degrees:
            stream.set_display_rotation(degrees)
        picture = signed(1 << (NUM_BITS - 1))
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())
    frame = first_frame(path, 144)
    assert frame.shape == ((144, 48) if degrees % 180 else (48, 144))
    assert frame[bright].mean() > 180
    assert frame.mean() < 60
    _, found = decoded_any(path)
    assert (found.width, found.height) == ((48, 144) if degrees % 180 else (144, 48))
    assert found.rotation % 360 == degrees % 360


def decoded_any(path: Path) -> tuple[int, Decoded]:
    ends: list[Decoded] = []
    frames = resampled_frames(path, fps=25, longest_side=64, on_end=ends.append)
    return sum(1 for _ in frames), ends[0]


@pytest.mark.parametrize(
    ("codec", "pixels", "size"),
    [
        ("mjpeg", "yuvj420p", (145, 49)),
        ("mpeg4", "yuv420p", (131, 77)),
        ("libx264", "gray", (144, 48)),
        ("libx264", "yuv420p10le", (144, 48)),
        ("libx264", "yuv444p", (145, 49)),
        ("ffv1", "bgr0", (145, 49)),
        ("ffv1", "gray16le", (144, 48)),
    ],
)
def test_every_kind_of_pixel_and_size(
    tmp_path: Path, codec: str, pixels: str, size: tuple[int, int]
) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        ramp = np.linspace(40, 200, size[0]).astype(np.uint8)
        picture = np.ascontiguousarray(np.broadcast_to(ramp, size[::-1]))
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format=pixels)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    frame = first_frame(tmp_path / "a.mkv", max(size))
    assert (frame.shape, frame.dtype) == (size[::-1], np.uint8)
    assert abs(float(frame[:, :10].mean()) - 45) < 20  # full or limited range
    assert abs(float(frame[:, -10:].mean()) - 195) < 20
    assert np.all(np.diff(frame.mean(axis=0)[5:-5]) > -3)


@pytest.mark.parametrize("layout", ["yuv420p", "nv12", "p010le", "yuv422p10le", "yuyv422", "bgr24"])
def test_luma_is_that_of_ffmpeg(layout: str) -> None:
    picture = np.random.default_rng(1).integers(16, 235, (34, 50)).astype(np.uint8)
    planar = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
    frame = planar.reformat(format=layout)
    wanted = (
        luma(planar) if "yuv4" in layout or layout[0] in "np" else frame.to_ndarray(format="gray")
    )
    assert luma(frame).shape == picture.shape
    assert np.abs(luma(frame).astype(int) - np.asarray(wanted).astype(int)).max() <= 2


def test_frames_are_small_and_keep_their_proportions() -> None:
    assert fitted((320, 240), 160) == (160, 120)
    assert fitted((240, 320), 160) == (120, 160)
    assert fitted((80, 60), 160) == (160, 120)
    assert fitted((4000, 100), 160) == (160, 40)  # no thinner than a quarter


def test_decoding_twice_gives_the_same_frames(tmp_path: Path) -> None:
    path = zeroed(written(tmp_path / "a.mp4", list(range(80)), tick=Fraction(1, 25)), length=200)
    runs = [list(resampled_frames(path, fps=25, longest_side=72)) for _ in range(2)]
    assert len(runs[0]) == len(runs[1])
    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))


def test_colours_can_be_had_as_well(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mkv", [0, 120, 240])
    frames = list(resampled_frames(path, fps=25, longest_side=72, pixels=rgb))
    assert [frame.shape for frame in frames] == [(24, 72, 3)] * 3
