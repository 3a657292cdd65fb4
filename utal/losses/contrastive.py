"""Losses that pull a query towards a positive and away from negatives."""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor

from utal.localizers.pooling import masked_mean


def snippet_contrast(
    query: Float[Tensor, "batch width"],
    positive: Float[Tensor, "batch width"],
    negatives: Float[Tensor, "batch negative width"],
    *,
    temperature: float,
    kept: Bool[Tensor, "batch negative"] | None = None,
) -> Float[Tensor, " batch"]:
    """InfoNCE of one query, one positive and the negatives of each video, on unit vectors.

    -log( e^(q.k/t) / (e^(q.k/t) + sum_n e^(q.n/t)) )

    Args:
        query: what is pulled and pushed.
        positive: what it is pulled to.
        negatives: what it is pushed from.
        temperature: t.
        kept: true where a negative counts; `None`: all do.

    Source: CoLA Eq. 6; FEEL Eq. 16.
    """
    query = F.normalize(query, dim=1)
    attract = (query * F.normalize(positive, dim=1)).sum(dim=1, keepdim=True)
    repel = torch.einsum("bw,bnw->bn", query, F.normalize(negatives, dim=2))
    if kept is not None:
        repel = repel.masked_fill(~kept, -torch.inf)
    logits = torch.cat([attract, repel], dim=1) / temperature
    return torch.logsumexp(logits, dim=1) - logits[:, 0]


def hard_snippet_contrast(
    easy_action: Float[Tensor, "batch easy width"],
    easy_background: Float[Tensor, "batch easy width"],
    hard_action: Float[Tensor, "batch hard width"],
    hard_background: Float[Tensor, "batch hard width"],
    *,
    temperature: float,
    kept_easy: Bool[Tensor, "batch easy"] | None = None,
    kept_hard: Bool[Tensor, "batch hard"] | None = None,
) -> Float[Tensor, " batch"]:
    """Mean hard action towards mean easy action and away from easy background, and the reverse.

    Args:
        easy_action: surely action.
        easy_background: surely background.
        hard_action: just inside a boundary.
        hard_background: just outside one.
        temperature: of both contrasts.
        kept_easy: true where a snippet of the easy sets counts, see `mining.kept_of`; `None`: all.
        kept_hard: the same for the hard sets.

    Source: CoLA Eq. 7, APSL Eq. 13, HC-UTAL Eq. 7; FEEL Eq. 17, whose printed sign would maximise
    the term (Eq. 16 already carries the minus). APSL prints the logarithm of a negative number of
    vectors that are not unit length; its code is CoLA's.
    """
    kept_easy = _all(easy_action) if kept_easy is None else kept_easy
    kept_hard = _all(hard_action) if kept_hard is None else kept_hard
    refined_action = snippet_contrast(
        masked_mean(hard_action, kept_hard),
        masked_mean(easy_action, kept_easy),
        easy_background,
        temperature=temperature,
        kept=kept_easy,
    )
    refined_background = snippet_contrast(
        masked_mean(hard_background, kept_hard),
        masked_mean(easy_background, kept_easy),
        easy_action,
        temperature=temperature,
        kept=kept_easy,
    )
    return refined_action + refined_background


def _all(snippets: Float[Tensor, "batch time width"]) -> Bool[Tensor, "batch time"]:
    return torch.ones_like(snippets[:, :, 0], dtype=torch.bool)
