"""STPN's decoder: runs of each stream's attended activation, scored by what all streams say."""

from dataclasses import dataclass
from functools import reduce
from typing import cast

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from utal.decoding.outputs import (
    Column,
    arrays,
    as_segments,
    best_runs,
    check_positive_count,
    check_share,
    in_seconds,
)
from utal.decoding.runs import Runs, inner_mean, prefix_sums, threshold_runs, upsampled
from utal.errors import ConfigError
from utal.localizers.fusion import LateFusion, streams_of
from utal.localizers.stpn import StpnOutput
from utal.method import Localizer, expect_output
from utal.records import Output, Segments, Video


def attended_proposals(
    attention: Float[np.ndarray, " time"],
    activation: Float[np.ndarray, " time"],
    fused: Float[np.ndarray, " time"],
    *,
    threshold: float,
    upscale: int,
) -> tuple[Runs, Float[np.ndarray, " run"]]:
    """Runs of one stream and cluster with their scores.

    Args:
        attention: of the stream.
        activation: of the cluster in this stream; any real number.
        fused: the same, averaged over the streams.
        threshold: where attention * sigmoid(activation) is cut.
        upscale: samples per snippet.

    Returns:
        The runs, and the means of attention * fused in them.

    Source: STPN (weighted temporal class activation map, score of a proposal) and its released
    re-implementation.
    """
    samples = upsampled(attention * expit(activation), upscale)
    runs = threshold_runs(samples, np.array([threshold]))
    return runs, inner_mean(prefix_sums(upsampled(attention * fused, upscale)), runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedCamProposals:
    """Runs of attention * sigmoid(activation) above one threshold, of every stream on its own.

    Attributes:
        class_threshold: a stream is searched for the clusters of which it is surer than this, by
            the sigmoid of their logits; if there is none, all streams for the likeliest.
        threshold: where the attended activation is cut.
        weights: of the streams' activations in the score, in channel order; `None`: all alike.
        upscale: samples per snippet.
        nms_threshold: a segment is dropped if its IoU with a better one of its cluster is larger.
        anchor: where in its cell the value of a snippet lies, in snippets; see
            `OuterInnerProposals`.

    Raises:
        ConfigError: a field is out of range.

    Source: STPN and its released re-implementation, which finds nothing where it is sure of no
    cluster, or of the first one only.
    """

    class_threshold: float = 0.1
    threshold: float = 0.05
    weights: tuple[float, ...] | None = None
    upscale: int = 24
    nms_threshold: float = 0.5
    anchor: float = 0.0

    def __post_init__(self) -> None:
        for name in ("class_threshold", "threshold", "nms_threshold", "anchor"):
            check_share(name, getattr(self, name))
        check_positive_count("upscale", self.upscale)
        if self.weights is not None and not all(0 < weight < np.inf for weight in self.weights):
            raise ConfigError(f"weights must be positive, got {self.weights}")
        if self.weights == ():
            raise ConfigError("weights must not be empty; null weighs all streams alike")

    def check(self, localizer: Localizer) -> None:
        """Refuses all but STPN's network, one alone or one per stream."""
        per_stream = localizer.localizer if isinstance(localizer, LateFusion) else None
        if per_stream is None or not issubclass(per_stream.output, StpnOutput):
            expect_output(self, localizer, StpnOutput)

    def decode(self, output: Output, video: Video) -> Segments:
        """Segments of one video, cluster by cluster and by descending score.

        Args:
            output: of STPN's network for all snippets of `video` or a uniform choice of them; batch
                size 1.
            video: only its name, number of snippets and time axis are used.

        Raises:
            ConfigError: weights for another number of streams.
            DataError: a score is not finite.
        """
        streams = cast(tuple[StpnOutput, ...], streams_of(output))
        tensors = [x for s in streams for x in (s.scores.attention, s.activation, s.logits)]
        probability, *found = arrays(video.name, output.scores.probability, *tensors)
        attentions, activations, logits = found[::3], found[1::3], found[2::3]
        fused = np.tensordot(self._shares(len(streams)), np.stack(activations), axes=1)
        sure = np.stack([expit(each) > self.class_threshold for each in logits])
        if not sure.any():
            sure[:, np.argmax(probability)] = True
        columns = []
        for cluster in np.flatnonzero(sure.any(axis=0)).tolist():
            found_by_stream = [
                attended_proposals(
                    attentions[stream],
                    activations[stream][:, cluster],
                    fused[:, cluster],
                    threshold=self.threshold,
                    upscale=self.upscale,
                )
                for stream in np.flatnonzero(sure[:, cluster])
            ]
            runs = reduce(Runs.followed_by, (own for own, _ in found_by_stream))
            score = np.concatenate([own for _, own in found_by_stream])
            columns.append(self._best(cluster, runs, score, self.upscale * len(fused), video))
        return as_segments(video.name, columns)

    def _best(
        self, cluster: int, runs: Runs, score: np.ndarray, num_samples: int, video: Video
    ) -> Column:
        """The segments of one cluster that have a length and that no better one covers."""
        start_s, end_s = in_seconds(runs, video, num_samples=num_samples, anchor=self.anchor)
        real = np.flatnonzero(start_s < end_s)
        kept = real[best_runs(runs.take(real), score[real], self.nms_threshold)]
        return cluster, start_s[kept], end_s[kept], score[kept]

    def _shares(self, num_streams: int) -> Float[np.ndarray, " stream"]:
        """The weights of the streams, summing to 1."""
        weights = np.array(self.weights or (1.0,) * num_streams)
        if len(weights) != num_streams:
            raise ConfigError(
                f"WeightedCamProposals has {len(weights)} weights, but the localizer has "
                f"{num_streams} streams; give one weight per stream"
            )
        return np.asarray(weights / weights.sum())
