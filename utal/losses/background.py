"""What the losses of a localizer with a background class compare with: that class is the last."""

import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor


def background_labels(
    targets: Float[Tensor, "batch cluster"], *, background: float, normalised: bool
) -> Float[Tensor, "batch column"]:
    """The targets and, as the last column, the label of the background.

    Every untrimmed video has background: its label is 1. Where what is not foreground has been
    suppressed, it is 0.

    Args:
        targets: 1 for each cluster of the video.
        background: label of the background.
        normalised: divide by the sum, so that a softmax can fit it.

    Source: BaS-Net, asymmetrical training; DCC Eq. 1, whose printed labels are not normalised.
    """
    labels = F.pad(targets, (0, 1), value=background)
    return labels / labels.sum(dim=1, keepdim=True) if normalised else labels
