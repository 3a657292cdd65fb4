"""DCC: Exploring Denoised Cross-video Contrast for Weakly-supervised Temporal Action Localization.

Li, Yang, Ji, Wang, Cheng (CVPR 2022); no code was released. A base localizer is trained first. Its
frozen copy then says which snippets of a video are action; snippets that disagree with those they
resemble are trusted less; and a new localizer, trained from the start, contrasts temporal regions
of action with background and with other actions across the whole data set.

Deviations:
* Eq. 1 calls its cross-entropies snippet-wise; they are of the video. Printed labels hold two ones,
  which no softmax can fit: ours are divided by their sum (`thumos14-paper` has them as printed).
* gamma = 1e-5 "following BaS-Net" on the mean of the foreground weights is nothing; BaS-Net's own
  1e-4 on their sum is what we take (`thumos14-paper`: as printed).
* Eq. 4: the embedding that is grouped is the frozen localizer's, at unit length.
* Eq. 5 speaks of the video's label; a video with several has a set of regions for each.
* Eq. 7: a region without weight has no vector and is left out. M + 1 terms are divided by M; ours
  is their mean (`thumos14-paper`: as printed). With M = 1 the only region is the video (Table 5).
* The memory's update and the ramp of beta from 0.1 to 10,000 are not given: a visit replaces a
  video's entries, and log(beta) grows linearly. In the end the base terms hardly count; gradients
  are clipped, and variants cap beta at 1 and 10.
* Steps, batch and weight decay are not given: BaS-Net's, and 5,000 steps in either stage.
* Inference: A_b is not in the range of its thresholds; its softmax, scaled per cluster, is. Scores
  are the contrast on the whole of it, suppression is at an IoU of 0.6: neither is given.
* STPN has no background class: background regions are what is not action, and the cross-entropies
  of its clusters are summed as in Eq. 1.
* Unsupervised use is ours: labels are cluster numbers, and the memory begins anew in each round.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from utal.grouping.describing import StreamAttention
from utal.localizers.basnet import BasNet
from utal.localizers.fusion import LateFusion
from utal.localizers.stpn import Stpn
from utal.losses import attention, classification, regions
from utal.losses.region_memory import RegionMemory
from utal.method import Method, Objective, Training
from utal.methods import basnet, stpn
from utal.methods.basnet import SuppressBackground
from utal.methods.denoised_contrast import DenoisedContrast
from utal.methods.per_stream import PerStream
from utal.methods.presets import Preset, Variant, with_variants
from utal.methods.stpn import AttendSparsely
from utal.sampling import RandomSnippets, Uniform

EQUATIONS = {
    "Eq. 1   classification of both branches": classification.binary_cross_entropy,
    "Eq. 2   base objective": SuppressBackground,
    "Eq. 2   norm of the foreground weights": attention.attention_mean,
    "Eq. 3   snippet pseudo-labels": regions.snippet_labels,
    "Eq. 4   confidence by vote of the group": regions.label_confidence,
    "Eq. 5-6 denoised region features": regions.region_features,
    "Eq. 7   positives and negatives": regions.related,
    "Eq. 7   region contrast": regions.region_contrast,
    "Eq. 7   memory bank": RegionMemory,
    "Eq. 8   objective": DenoisedContrast,
}

BASE = BasNet(foreground_slope=0.0, suppress_features=False, localise_base=True)
"""DCC's own form of BaS-Net."""


def thumos14() -> Method:
    """DCC on BaS-Net, THUMOS14."""
    return replace(
        basnet.thumos14(),
        localizer=BASE,
        objective=DenoisedContrast(),
        decoder=stpn.dcc_decoder(),
        training=Training(
            steps=5000, batch_size=16, snippets=RandomSnippets(750), gradient_norm=1.0
        ),
        num_rounds=2,
        weak_rounds=2,
    )


def thumos14_paper() -> Method:
    """The printed values where ours differ: labels, gamma, mean over regions, no clipping."""
    base = SuppressBackground(
        foreground_weight=1e-5, mean_foreground=True, normalised_labels=False, max_divisor=1
    )
    method = thumos14()
    return replace(
        method,
        objective=DenoisedContrast(base, printed_mean=True),
        training=replace(method.training, gradient_norm=None),
    )


def activitynet13() -> Method:
    """DCC on BaS-Net, ActivityNet 1.3: two regions, two groups; steps and batch as CoLA there."""
    method = thumos14()
    return replace(
        method,
        objective=DenoisedContrast(num_regions=2, num_groups=2),
        training=replace(method.training, steps=8000, batch_size=128, snippets=RandomSnippets(50)),
        snippets=Uniform(50),
    )


def on_stpn(method: Method, localizer: Stpn) -> Method:
    """DCC on STPN, one network and one contrast per stream."""
    assert isinstance(method.objective, DenoisedContrast)
    return replace(
        method,
        localizer=LateFusion(localizer),
        describer=StreamAttention(),
        objective=PerStream(replace(method.objective, base=AttendSparsely(max_divisor=1))),
    )


def adaptive() -> Method:
    """For corpora of any size and any encoder: what THUMOS14 fixes follows the corpus instead.

    Beta stays below 1: beyond, a round of few steps ends with a localizer that only contrasts.
    """
    anchor = basnet.adaptive()
    return replace(
        thumos14(),
        localizer=replace(BASE, width=256),
        objective=DenoisedContrast(max_weight=1.0),
        clusterer=anchor.clusterer,
        training=replace(anchor.training, gradient_norm=1.0),
        snippets=anchor.snippets,
        decoder=replace(stpn.dcc_decoder(), nms_plus_one=False, anchor=0.5),
    )


def changed(method: Method, change: Callable[[DenoisedContrast], Objective]) -> Method:
    """The method with another objective, in each stream where it has several."""
    objective = method.objective
    if isinstance(objective, PerStream):
        assert isinstance(objective.objective, DenoisedContrast)
        return replace(method, objective=PerStream(change(objective.objective)))
    assert isinstance(objective, DenoisedContrast)
    return replace(method, objective=change(objective))


def baseline(method: Method) -> Method:
    """The base localizer alone, in DCC's form, trained once."""
    plain = changed(method, lambda objective: objective.base)
    return replace(plain, num_rounds=1, weak_rounds=1)


def _contrast(about: str, **settings: Any) -> Variant:
    return Variant(partial(changed, change=lambda objective: replace(objective, **settings)), about)


VARIANTS = {
    "baseline": Variant(baseline, "Tables 1, 4 and 6, without any contrast"),
    "without-denoising": _contrast(
        "Tables 1 and 3, no denoising; Tables 4 to 6, regions, five of them, and memory",
        num_groups=0,
    ),
    **{
        f"groups-{count}": _contrast(f"Table 3, K = {count}", num_groups=count)
        for count in (3, 10, 15, 50, 100)
    },
    "video-level-background": _contrast(
        "Table 4, whole videos, action against background only",
        num_groups=0,
        num_regions=1,
        across_clusters=False,
    ),
    "video-level": _contrast("Table 4, whole videos; Table 5, M = 1", num_groups=0, num_regions=1),
    **{
        f"regions-{count}": _contrast(f"Table 5, M = {count}", num_groups=0, num_regions=count)
        for count in (3, 10)
    },
    "intra-video": _contrast(
        "Table 6, contrast within a video", num_groups=0, memory=False, across_videos=False
    ),
    "mini-batch": _contrast("Table 6, contrast within a batch", num_groups=0, memory=False),
    "weight-1": _contrast("beta no larger than 1, ours", max_weight=1.0),
    "weight-10": _contrast("beta no larger than 10, ours", max_weight=10.0),
    "utal": Variant(
        lambda method: replace(method, num_rounds=4, weak_rounds=2),
        "four rounds of K-means without labels, ours, not in the paper",
    ),
}

PRESETS = with_variants(
    {
        "": Preset(adaptive, "DCC on BaS-Net for corpora of any size"),
        "thumos14": Preset(thumos14, "DCC on BaS-Net, THUMOS14"),
    },
    VARIANTS,
) | {
    "stpn": Preset(
        lambda: on_stpn(adaptive(), Stpn(width=256, dropout=0.7)),
        "DCC on STPN for corpora of any size",
    ),
    "thumos14-stpn": Preset(
        lambda: on_stpn(thumos14(), Stpn(width=1024, dropout=0.7)),
        "DCC on STPN, THUMOS14: Table 7",
    ),
    "thumos14-paper": Preset(thumos14_paper, "DCC on BaS-Net, THUMOS14, as printed"),
    "activitynet13": Preset(activitynet13, "DCC on BaS-Net, ActivityNet 1.3"),
}
