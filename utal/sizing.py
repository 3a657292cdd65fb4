"""Settings that follow the size of the corpus where a method leaves them open.

The papers tune steps, batch and length for two data sets. Twenty clips and twenty thousand need
other numbers, and a user should not have to know them.
"""

from dataclasses import replace

import numpy as np

from utal.corpus import Corpus
from utal.method import Method

MAX_SNIPPETS = 750  # THUMOS14's length in every released code
EPOCHS = 200  # 8,000 steps of 128 videos, as FEEL trains ActivityNet 1.2, are 212


def sized(method: Method, corpus: Corpus) -> Method:
    """The method with every open (`None`) setting settled from the corpus; never from labels.

    num_snippets: nine tenths of the videos are seen whole, at least 8 and at most 750 snippets.
    batch_size: a sixteenth of the videos, at least 16 (or all there are) and at most 128.
    steps: 200 passes over the videos, at least 200 and at most 20,000 steps; the rounds of a
        network that is trained on share them, at least 100 each.
    """
    lengths = [video.num_snippets for video in corpus.videos]
    num_snippets = int(np.clip(np.quantile(lengths, 0.9, method="higher"), 8, MAX_SNIPPETS))
    plan = method.training
    batch_size = plan.batch_size or min(len(corpus), int(np.clip(len(corpus) // 16, 16, 128)))
    steps = int(np.clip(EPOCHS * len(corpus) // batch_size, 200, 20_000))
    if not plan.restart:
        steps = max(100, steps // method.num_rounds)
    training = replace(
        plan,
        batch_size=batch_size,
        steps=plan.steps or steps,
        snippets=replace(plan.snippets, num_snippets=plan.snippets.num_snippets or num_snippets),
    )
    return replace(
        method,
        training=training,
        snippets=replace(
            method.snippets, num_snippets=method.snippets.num_snippets or num_snippets
        ),
    )
