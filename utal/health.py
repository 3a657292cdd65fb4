"""Does a finished run look as if it worked? Plain words, from the run alone, never from truth."""

from collections.abc import Sequence

import numpy as np

from utal.records import Found, Round

LEARNED = 0.1  # share of the way from a uniform guess to certainty about its own labels
FLAT = 0.05  # attention's standard deviation over its mean
CROWDED = 0.8  # share of the videos in one cluster


def complaints(last: Round, found: Sequence[Found]) -> tuple[str, ...]:
    """What looks wrong about a run, one plain sentence each; empty if nothing does.

    Args:
        last: the last round.
        found: the localizer's findings in the corpus it was trained on, in the corpus' order.
    """
    checks = (_not_learned(last, found), _flat(found), *_collapsed(last), _nothing(found))
    return tuple(text for text in checks if text)


def _not_learned(last: Round, found: Sequence[Found]) -> str:
    targets = last.pseudo_labels.targets
    num_clusters = targets.shape[1]
    if num_clusters == 1:
        return ""
    own = [
        float((found[video].probability * row).sum() / row.sum())
        for video, row in zip(last.pseudo_labels.videos.tolist(), targets.numpy(), strict=True)
    ]
    learned = (float(np.mean(own)) - 1 / num_clusters) / (1 - 1 / num_clusters)
    if learned >= LEARNED:
        return ""
    return (
        "The network has not learned its own labels: it still guesses nearly uniformly. The "
        "segments mean nothing. Train longer (--set training.steps=…) or faster "
        "(--set training.learning_rate=…)."
    )


def _flat(found: Sequence[Found]) -> str:
    spread = [float(np.std(f.attention) / max(np.mean(f.attention), 1e-12)) for f in found]
    if float(np.median(spread)) >= FLAT:
        return ""
    return (
        "The attention is flat: action and background look the same to the network, so the segment "
        "limits mean nothing. The videos may hold no background, or the encoder may not see the "
        "action."
    )


def _collapsed(last: Round) -> tuple[str, ...]:
    if last.clustering is None:
        return ()
    num_clusters = last.pseudo_labels.targets.shape[1]
    sizes = np.bincount(last.clustering.labels.numpy(), minlength=num_clusters)
    small = int((sizes <= 1).sum())
    texts = []
    if num_clusters > 2 and sizes.max() > CROWDED * sizes.sum():
        texts.append(
            f"The grouping has collapsed: {sizes.max()} of {sizes.sum()} videos are in one group. "
            "Ask for fewer classes, or use an encoder that tells the actions apart."
        )
    if small:
        texts.append(
            f"{small} of {num_clusters} groups hold one video or none. Fewer classes may fit "
            "better."
        )
    return tuple(texts)


def _nothing(found: Sequence[Found]) -> str:
    empty = sum(len(f.segments) == 0 for f in found)
    return f"Nothing was found in {empty} of {len(found)} videos." if empty else ""
