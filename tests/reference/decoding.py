"""Decoding written as loops over samples: slow, and plain enough to be checked by eye."""

import math


def rescale(sequence):
    high, low = max(max(sequence), 0.0), max(min(sequence), 0.0)
    span = high - low if high > low else 1.0
    return [(x - low) / span for x in sequence]


def clip(sequence):
    return [min(max(x, 0.0), 1.0) for x in sequence]


def normalise(sequence):
    return clip(rescale(sequence))


def magnitude(embedding, actionness, ratio):
    """Norms between the mean norm of the least and of the most active snippets."""
    norm = [sum(x * x for x in row) ** 0.5 for row in embedding]
    count = max(1, len(norm) // ratio)
    best = sorted(range(len(norm)), key=lambda t: -actionness[t])[:count]
    worst = sorted(range(len(norm)), key=lambda t: actionness[t])[:count]
    high = sum(norm[t] for t in best) / count
    low = sum(norm[t] for t in worst) / count
    return clip([(x - low) / (high - low if high > low else 1.0) for x in norm])


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


def outer_inner_contrast(samples, start, stop, margin, at_least=0):
    width = max(margin * (stop - start), at_least)
    low = max(int(start - width), 0)
    high = min(int(stop - 1 + width), len(samples) - 1)
    inner = samples[start:stop]
    outer = samples[low:start] + samples[stop : high + 1]
    return sum(inner) / len(inner) - (sum(outer) / len(outer) if outer else 0.0)


def samples_of(decoder, sequence):
    if decoder.normalised:
        sequence = rescale(sequence)
        sequence = clip(sequence) if decoder.clipped else sequence
    return upsample(sequence, decoder.upscale)


def proposals(decoder, cas, actionness, embedding):
    """Rows (start, stop, contrast) of one cluster, in samples."""
    samples, margin = samples_of(decoder, cas), decoder.outer_margin
    rows = []
    for threshold in decoder.cas_thresholds:
        zeroed = cut(samples, threshold)
        scored = zeroed if decoder.scored_cut else samples
        for start, stop in runs(zeroed):
            rows.append((start, stop, outer_inner_contrast(scored, start, stop, margin)))
    others = [(decoder.actionness_thresholds, samples_of(decoder, actionness))]
    if decoder.magnitude_thresholds:
        relative = magnitude(embedding, actionness, decoder.magnitude_ratio)
        others.append((decoder.magnitude_thresholds, upsample(relative, decoder.upscale)))
    for thresholds, sequence in others:
        for threshold in thresholds:
            for start, stop in runs(cut(sequence, threshold)):
                rows.append((start, stop, outer_inner_contrast(samples, start, stop, margin)))
    return [row for row in rows if row[1] - row[0] >= decoder.min_samples]


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


def soft_nms(start, end, score, threshold, plus_one, sigma):
    """Indices and scores of all rows: whoever is dropped pays for it, once."""
    unit = 1.0 if plus_one else 0.0
    left = sorted(range(len(score)), key=lambda row: -score[row])
    kept, lowered = [], []
    while left:
        best = left.pop(0)
        kept.append((best, score[best]))
        for row in list(left):
            overlap = iou((start[best], end[best]), (start[row], end[row]), unit)
            if overlap >= threshold:
                left.remove(row)
                lowered.append((row, score[row] * math.exp(-(overlap**2) / sigma)))
    lowered.sort()
    return sorted(kept + lowered, key=lambda pair: -pair[1])


def decode(decoder, cas, attention, probability, num_snippets, fps, stride, embedding=None):
    """Rows (cluster, start, end, score) of one video for the fields of `decoder` with anchor 0."""
    kept = [c for c, p in enumerate(probability) if p >= decoder.class_threshold]
    if not kept:
        kept = [max(range(len(probability)), key=lambda c: probability[c])]
    pitch = stride * num_snippets / (decoder.upscale * len(attention) * fps)
    rows = []
    for cluster in kept:
        found = proposals(decoder, [row[cluster] for row in cas], attention, embedding)
        start = [first * pitch for first, _, _ in found]
        end = [stop * pitch for _, stop, _ in found]
        bonus = 1.0 if decoder.binary_class_score else probability[cluster]
        score = [contrast + decoder.probability_weight * bonus for _, _, contrast in found]
        setting = start, end, score, decoder.nms_threshold, decoder.nms_plus_one
        if decoder.soft_nms_sigma is None:
            best = [(row, score[row]) for row in nms(*setting)]
        else:
            best = soft_nms(*setting, decoder.soft_nms_sigma)
        rows += [(cluster, start[row], end[row], value) for row, value in best]
    return rows
