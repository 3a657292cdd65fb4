"""TCAM's decoding written as loops over frames."""

from tests.reference.decoding import nms, outer_inner_contrast


def scale(sequence):
    low, high = min(sequence), max(sequence)
    return [(x - low) / (high - low) if high > low else 0.0 for x in sequence]


def interpolate(sequence, per_snippet):
    frames = []
    for t in range(len(sequence) - 1):
        for k in range(per_snippet):
            frames.append(sequence[t] + (sequence[t + 1] - sequence[t]) * (k / per_snippet))
    return [*frames, sequence[-1]]


def line_at(values, position):
    """The least-squares line through the values, read at a position."""
    middle = (len(values) - 1) / 2
    mean = sum(values) / len(values)
    rise = sum((i - middle) * (x - mean) for i, x in enumerate(values))
    return mean + rise / sum((i - middle) ** 2 for i in range(len(values))) * (position - middle)


def smooth(frames, largest):
    count = len(frames)
    if count <= 3 or largest < 3:
        return frames
    window = int(max(min(largest, count / 16), 3))
    if window % 2 == 0:
        window -= 1
    smoothed = []
    for t in range(count):
        first = min(max(t - window // 2, 0), count - window)
        smoothed.append(line_at(frames[first : first + window], t - first))
    return smoothed


def boxes(frames, threshold, dilation):
    """First frame and one past the last, after dilation."""
    on = [False] * len(frames)
    for t, x in enumerate(frames):
        if x > threshold:
            for other in range(t - dilation // 2, t - dilation // 2 + dilation):
                if 0 <= other < len(frames):
                    on[other] = True
    found, start = [], None
    for t, is_on in enumerate([*on, False]):
        if is_on and start is None:
            start = t
        if not is_on and start is not None:
            found.append((start, t))
            start = None
    return found


def proposals(decoder, cas):
    """Rows (first frame, one past the last, contrast) of one cluster."""
    frames = smooth(interpolate(scale(cas), decoder.frames_per_snippet), decoder.smoothing)
    mean = sum(frames) / len(frames)
    return [
        (*box, outer_inner_contrast(frames, *box, decoder.outer_margin, 1))
        for factor in decoder.factors
        for box in boxes(frames, factor * mean, decoder.dilation_frames)
    ]


def suppress(start, stop, score, threshold):
    """Indices of the rows that no better kept row covers by more than the threshold."""
    return nms(start, stop, score, threshold + 1e-12, plus_one=False)


def decode(decoder, cas, probability, seconds_per_frame, duration):
    """Rows (cluster, start, end, score) of one video with anchor 0."""
    kept = [c for c, p in enumerate(probability) if p > decoder.class_threshold]
    if not kept:
        kept = [max(range(len(probability)), key=lambda c: probability[c])]
    rows = []
    for cluster in kept:
        found = proposals(decoder, [row[cluster] for row in cas])
        for row in suppress(*zip(*found, strict=True), decoder.nms_threshold) if found else []:
            start, stop, contrast = found[row]
            limits = [min(frame * seconds_per_frame, duration) for frame in (start, stop)]
            rows.append(
                (cluster, *limits, contrast + decoder.probability_weight * probability[cluster])
            )
    return rows
