"""What a report is made from, besides the segments: small records, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False, slots=True)
class ReportVideo:
    """One searched video.

    Attributes:
        name: as in `Segments.names`.
        duration_s: length in seconds.
        source: path of the video file; `None` where only features are known.
        cluster: pseudo-action of the whole video.
        actionness: how much is going on, in [0, 1], one value per step; `None` if unknown.
        actionness_step_s: seconds from one value to the next; value i covers
            [i * step, (i + 1) * step).
        notes: remarks worth seeing beside the video, such as "3 bad packets".
    """

    name: str
    duration_s: float
    source: str | None
    cluster: int
    actionness: Float[np.ndarray, " time"] | None = None
    actionness_step_s: float = 1.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportRound:
    """One alternation of grouping and localizing, in numbers.

    Attributes:
        index: 0 for the first round.
        num_selected, num_videos: videos trained on, and videos there are.
        labels_changed: videos that changed their cluster since the round before, if known.
        first_loss, last_loss: total training loss at both ends of the curve, if known.
        attention_contrast: mean actionness inside minus outside the action, if known.
    """

    index: int
    num_selected: int
    num_videos: int
    labels_changed: int | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    attention_contrast: float | None = None


@dataclass(frozen=True, slots=True)
class ReportScores:
    """What a ground truth says about the result; only where one was handed in.

    Attributes:
        rows: name and value of each measure; a number is shown with three decimals.
        protocol: what exactly was measured, in one line.
        cluster_classes: name of the class that each cluster was matched to.
        class_names: name of each class that the truth's segments index.
    """

    rows: tuple[tuple[str, float | str], ...]
    protocol: str = ""
    cluster_classes: Mapping[int, str] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
