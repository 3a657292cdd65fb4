"""The loop that all methods are: describe, cluster, refine, select, fit, again. Read it first."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from utal.corpus import Corpus, feature_scale
from utal.fitting import fit, new_optimiser, num_steps
from utal.method import Method
from utal.records import Clustering, Found, Output, PseudoLabels, Round, View
from utal.sizing import sized


def rounds(
    method: Method,
    corpus: Corpus,
    num_clusters: int,
    *,
    seed: int,
    device: torch.device,
    after: Round | None = None,
    given: PseudoLabels | None = None,
) -> Iterator[Round]:
    """Yields one `Round` per alternation; the caller saves, plots or stops.

    Args:
        method: settings that are `None` are settled from the corpus, see `utal.sizing.sized`.
        corpus: the videos to learn from; no ground truth can be in it.
        num_clusters: how many pseudo-actions.
        seed: with the machine and the arguments it decides every number.
        device: where networks live.
        after: go on after this round; the result equals that of an uninterrupted run bit for bit.
        given: labels of the videos; describing and grouping are then left out (weak supervision).

    Raises:
        DataError: fewer videos than clusters, or features that cannot be used.
        TrainingDivergedError: a loss is no longer finite.
    """
    method = sized(method, corpus)
    corpus = corpus.scaled(after.scale if after else feature_scale(corpus))
    for index in range(after.index + 1 if after else 0, method.num_rounds):
        with torch.random.fork_rng(devices=_cuda(device)):
            torch.manual_seed(_round_seed(seed, index))
            before = rebuilt(after, method, corpus.stream_widths, device) if after else None
            if given is None:
                views = list(describe_all(method, corpus, before, device=device))
                clustering = method.clusterer.cluster(views, num_clusters, seed=seed, device=device)
                clustering = method.refiner.refine(views, clustering, num_clusters)
                clustering = renumbered(clustering, after, num_clusters)
                labels = method.selector.select(clustering, num_clusters, index, method.num_rounds)
            else:
                clustering, labels = None, given
            after = _trained(
                method, corpus, clustering, labels, index, before, after, seed=seed, device=device
            )
        yield after


def _trained(
    method: Method,
    corpus: Corpus,
    clustering: Clustering | None,
    labels: PseudoLabels,
    index: int,
    before: nn.Module | None,
    after: Round | None,
    *,
    seed: int,
    device: torch.device,
) -> Round:
    """One round's training, and the record of it."""
    plan = method.training
    num_clusters = labels.targets.shape[1]
    network = method.localizer.build(corpus.stream_widths, num_clusters).to(device)
    if before is not None and not plan.restart:
        network.load_state_dict(before.state_dict())
    objective = method.objective.loss(labels, before).to(device)
    optimiser = new_optimiser(network, objective, plan)
    if after is not None and after.optimiser is not None:
        _restore(optimiser, after.optimiser)
    losses = fit(
        network,
        objective,
        optimiser,
        corpus,
        labels,
        plan,
        steps=num_steps(plan, len(labels.videos) / len(corpus)),
        seed=_round_seed(seed, index),
        device=device,
    )
    weights = {name: value.cpu().clone() for name, value in network.state_dict().items()}
    kept = None if plan.restart else _copied(optimiser)
    return Round(index, clustering, labels, losses, corpus.scale, weights, kept)


def renumbered(clustering: Clustering, after: Round | None, num_clusters: int) -> Clustering:
    """The same groups, numbered to share as many videos as possible with the round before.

    Clusterers number their groups anyhow. A network that is trained on would have to learn its
    classifier anew each round, and a person could not follow a cluster from round to round.
    """
    if after is None or after.clustering is None:
        return clustering
    shared = torch.zeros(num_clusters, num_clusters, dtype=torch.int64)
    pairs = clustering.labels, after.clustering.labels
    shared.index_put_(pairs, torch.ones_like(clustering.labels), accumulate=True)
    _, number = linear_sum_assignment(shared.numpy(), maximize=True)
    return replace(clustering, labels=torch.from_numpy(number)[clustering.labels])


def rebuilt(
    after: Round, method: Method, streams: tuple[int, ...], device: torch.device
) -> nn.Module:
    """The network of a finished round, frozen and in evaluation mode."""
    network = method.localizer.build(streams, after.pseudo_labels.targets.shape[1]).to(device)
    network.load_state_dict(after.weights)
    return network.eval().requires_grad_(False)


def outputs(
    method: Method, corpus: Corpus, network: nn.Module, *, device: torch.device
) -> Iterator[tuple[Tensor, Output]]:
    """Per video: its deterministically sampled features and the network's output, batch size 1."""
    for index, video in enumerate(corpus.videos):
        features = corpus.features(index, method.snippets.indices(video.num_snippets)).to(device)
        mask = torch.ones(1, len(features), dtype=torch.bool, device=device)
        with torch.no_grad():
            output = network(features[None], mask)
        yield features, output


def describe_all(
    method: Method, corpus: Corpus, network: nn.Module | None, *, device: torch.device
) -> Iterator[View]:
    """What of each video may be clustered; without a network, every snippet of the video counts."""
    if network is None:
        for index, video in enumerate(corpus.videos):
            everything = np.arange(video.num_snippets)
            features = corpus.features(index, everything)
            yield method.describer.describe(features, None, corpus.stream_widths)
    else:
        for features, output in outputs(method, corpus, network, device=device):
            yield method.describer.describe(features, output, corpus.stream_widths)


def localize(
    after: Round, method: Method, corpus: Corpus, *, device: torch.device
) -> Iterator[Found]:
    """What a finished round finds in each video of the corpus, in order."""
    corpus = corpus.scaled(after.scale)
    network = rebuilt(after, method, corpus.stream_widths, device)
    for video, (_, output) in zip(
        corpus.videos, outputs(method, corpus, network, device=device), strict=True
    ):
        yield Found(
            segments=method.decoder.decode(output, video),
            attention=output.scores.attention[0].cpu().numpy(),
            probability=output.scores.probability[0].cpu().numpy(),
        )


def _round_seed(seed: int, index: int) -> int:
    """A seed of its own for every round, so that a round does not depend on those before it."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])


def _cuda(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def _copied(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's tensors as a flat dictionary of copies on the CPU; the network's group."""
    # The objective's own parameters, if any, are in a later group: they start anew each round.
    network_group = set(optimiser.state_dict()["param_groups"][0]["params"])
    return {
        f"{parameter}.{name}": value.cpu().clone()
        for parameter, state in optimiser.state_dict()["state"].items()
        if parameter in network_group
        for name, value in state.items()
    }


def _restore(optimiser: torch.optim.Optimizer, saved: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in saved.items():
        parameter, name = key.split(".", 1)
        state.setdefault(int(parameter), {})[name] = value.clone()
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
