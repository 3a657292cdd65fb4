"""STPN's decoding written as loops over samples."""

import math

from tests.reference.decoding import cut, nms, runs, upsample


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def decode(decoder, streams, probability, seconds_per_sample, weights):
    """Rows (cluster, start, end, score) of one video with anchor 0.

    Each stream is a triple of attention, activation and logits.
    """
    total = sum(weights)
    sure = [[sigmoid(x) > decoder.class_threshold for x in logits] for _, _, logits in streams]
    if not any(any(row) for row in sure):
        likeliest = max(range(len(probability)), key=lambda c: probability[c])
        sure = [[c == likeliest for c in range(len(probability))] for _ in streams]
    rows = []
    for cluster in range(len(probability)):
        found = []
        for number, (attention, activation, _) in enumerate(streams):
            if not sure[number][cluster]:
                continue
            attended = [
                a * sigmoid(row[cluster]) for a, row in zip(attention, activation, strict=True)
            ]
            scored = []
            for t, a in enumerate(attention):
                parts = [w * s[1][t][cluster] for w, s in zip(weights, streams, strict=True)]
                scored.append(a * sum(parts) / total)
            scored = upsample(scored, decoder.upscale)
            for start, stop in runs(cut(upsample(attended, decoder.upscale), decoder.threshold)):
                found.append((start, stop, sum(scored[start:stop]) / (stop - start)))
        if found:
            columns = zip(*found, strict=True)
            for row in nms(*columns, decoder.nms_threshold + 1e-12, plus_one=False):
                start, stop, score = found[row]
                rows.append((cluster, start * seconds_per_sample, stop * seconds_per_sample, score))
    return rows
