"""Losses that pull a query towards a positive and away from negatives."""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor


def snippet_contrast(
    query: Float[Tensor, "batch width"],
    positive: Float[Tensor, "batch width"],
    negatives: Float[Tensor, "batch negative width"],
    *,
    temperature: float,
) -> Float[Tensor, " batch"]:
    """InfoNCE of one query, one positive and the negatives of each video, on unit vectors.

    -log( e^(q.k/t) / (e^(q.k/t) + sum_n e^(q.n/t)) )

    Source: CoLA Eq. 6; FEEL Eq. 16.
    """
    query = F.normalize(query, dim=1)
    attract = (query * F.normalize(positive, dim=1)).sum(dim=1, keepdim=True)
    repel = torch.einsum("bw,bnw->bn", query, F.normalize(negatives, dim=2))
    logits = torch.cat([attract, repel], dim=1) / temperature
    return torch.logsumexp(logits, dim=1) - logits[:, 0]


def hard_snippet_contrast(
    easy_action: Float[Tensor, "batch easy width"],
    easy_background: Float[Tensor, "batch easy width"],
    hard_action: Float[Tensor, "batch hard width"],
    hard_background: Float[Tensor, "batch hard width"],
    *,
    temperature: float,
) -> Float[Tensor, " batch"]:
    """Mean hard action towards mean easy action and away from easy background, and the reverse.

    Source: CoLA Eq. 7; FEEL Eq. 17, whose printed sign would maximise the term (Eq. 16 already
    carries the minus).
    """
    refined_action = snippet_contrast(
        hard_action.mean(1), easy_action.mean(1), easy_background, temperature=temperature
    )
    refined_background = snippet_contrast(
        hard_background.mean(1), easy_background.mean(1), easy_action, temperature=temperature
    )
    return refined_action + refined_background
