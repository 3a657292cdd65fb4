"""Decoding written as loops over samples: slow, and plain enough to be checked by eye."""


def normalise(sequence):
    high, low = max(max(sequence), 0.0), max(min(sequence), 0.0)
    span = high - low if high > low else 1.0
    return [min(max((x - low) / span, 0.0), 1.0) for x in sequence]


def upsample(sequence, factor):
    samples = []
    for t in range(len(sequence)):
        if len(sequence) == 1:
            slope = 0.0
        elif t == len(sequence) - 1:
            slope = sequence[t] - sequence[t - 1]
        else:
            slope = sequence[t + 1] - sequence[t]
        for k in range(factor):
            samples.append(sequence[t] + slope * (k / factor))
    return samples


def cut(samples, threshold):
    return [x if x >= threshold and x > 0 else 0.0 for x in samples]


def runs(samples):
    """First sample and one past the last of each run of non-zero samples."""
    found, start = [], None
    for i, x in enumerate([*samples, 0.0]):
        if x != 0 and start is None:
            start = i
        if x == 0 and start is not None:
            found.append((start, i))
            start = None
    return found


def outer_inner_contrast(samples, start, stop, margin):
    width = margin * (stop - start)
    low = max(int(start - width), 0)
    high = min(int(stop - 1 + width), len(samples) - 1)
    inner = samples[start:stop]
    outer = samples[low:start] + samples[stop : high + 1]
    return sum(inner) / len(inner) - (sum(outer) / len(outer) if outer else 0.0)


def proposals(cas, actionness, cas_thresholds, actionness_thresholds, *, upscale, margin):
    """Rows (start, stop, contrast) of one cluster, in samples."""
    samples = upsample(normalise(cas), upscale)
    actionness_samples = upsample(normalise(actionness), upscale)
    rows = []
    for threshold in cas_thresholds:
        zeroed = cut(samples, threshold)
        for start, stop in runs(zeroed):
            rows.append((start, stop, outer_inner_contrast(zeroed, start, stop, margin)))
    for threshold in actionness_thresholds:
        for start, stop in runs(cut(actionness_samples, threshold)):
            rows.append((start, stop, outer_inner_contrast(samples, start, stop, margin)))
    return [row for row in rows if row[1] - row[0] >= 2]


def iou(a, b, unit):
    """IoU of two (start, end), with `unit` added to every length."""
    common = max(min(a[1], b[1]) - max(a[0], b[0]) + unit, 0.0)
    union = (a[1] - a[0] + unit) + (b[1] - b[0] + unit) - common
    return common / union if union > 0 else 0.0


def nms(start, end, score, threshold, plus_one):
    """Indices of the kept rows; `sorted` is stable, so of equal scores the earlier comes first."""
    unit = 1.0 if plus_one else 0.0
    kept = []
    for row in sorted(range(len(score)), key=lambda row: -score[row]):
        segment = start[row], end[row]
        if all(iou((start[best], end[best]), segment, unit) < threshold for best in kept):
            kept.append(row)
    return kept


def decode(decoder, cas, attention, probability, num_snippets, fps, stride):
    """Rows (cluster, start, end, score) of one video for the fields of `decoder` with anchor 0."""
    kept = [c for c, p in enumerate(probability) if p >= decoder.class_threshold]
    if not kept:
        kept = [max(range(len(probability)), key=lambda c: probability[c])]
    pitch = stride * num_snippets / (decoder.upscale * len(attention) * fps)
    rows = []
    for cluster in kept:
        found = proposals(
            [row[cluster] for row in cas],
            attention,
            decoder.cas_thresholds,
            decoder.actionness_thresholds,
            upscale=decoder.upscale,
            margin=decoder.outer_margin,
        )
        start = [first * pitch for first, _, _ in found]
        end = [stop * pitch for _, stop, _ in found]
        bonus = decoder.probability_weight * probability[cluster]
        score = [contrast + bonus for _, _, contrast in found]
        best = nms(start, end, score, decoder.nms_threshold, decoder.nms_plus_one)
        rows += [(cluster, start[row], end[row], score[row]) for row in best]
    return rows
