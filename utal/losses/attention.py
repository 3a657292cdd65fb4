"""Losses of what attention pools, and of how much it attends to."""

import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor

from utal.localizers.pooling import masked_mean


def multi_label_cross_entropy(
    logits: Float[Tensor, "batch cluster"], targets: Float[Tensor, "batch cluster"]
) -> Float[Tensor, " batch"]:
    """Binary cross-entropy of the sigmoid of each logit, summed over the clusters, per video.

    Args:
        logits: one for each cluster; clusters do not compete.
        targets: 1 for each cluster of the video.

    Source: classification loss of STPN; the re-implementation takes the mean over classes.
    """
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return loss.sum(dim=1)


def attention_sum(
    attention: Float[Tensor, "batch time"], mask: Bool[Tensor, "batch time"]
) -> Float[Tensor, " batch"]:
    """L1 norm of the attention over a video: little should be attended to.

    Source: sparsity loss of STPN; norm loss of the released BaS-Net code.
    """
    return (attention.abs() * mask).sum(dim=1)


def attention_mean(
    attention: Float[Tensor, "batch time"], mask: Bool[Tensor, "batch time"]
) -> Float[Tensor, " batch"]:
    """L1 norm of the attention over a video divided by its number of snippets.

    Source: DCC Sec. 3.1, L_norm.
    """
    return masked_mean(attention.abs(), mask)
