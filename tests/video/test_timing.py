from collections import Counter

import pytest

from utal.video.timing import Pace, pace


@pytest.mark.parametrize(
    ("gaps_ms", "found"),
    [
        ({}, Pace(False, 0)),  # a single frame
        ({40: 1}, Pace(False, 0)),
        ({40: 99}, Pace(False, 0)),
        ({33: 40, 34: 20}, Pace(False, 0)),  # 30 fps in whole milliseconds
        ({40: 99, 44: 1}, Pace(False, 0)),  # a tenth is not unusual
        ({40: 99, 80: 1}, Pace(False, 0)),  # one frame is missing: cameras drop some
        ({40: 99, 120: 1}, Pace(False, 1)),
        ({40: 198, 120: 1, 4000: 1}, Pace(False, 2)),
        ({40: 10, 400: 1}, Pace(False, 1)),  # one unusual gap never makes a rate variable
        ({40: 97, 80: 3}, Pace(True, 0)),
        ({20: 50, 60: 50}, Pace(True, 0)),
    ],
)
def test_pace(gaps_ms: dict[int, int], found: Pace) -> None:
    assert pace(Counter(gaps_ms)) == found
