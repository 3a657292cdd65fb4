"""fit(): the optimiser steps of one round. Knows nothing of methods or of how labels came to be."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from utal.corpus import Corpus
from utal.errors import ConfigError
from utal.method import Training
from utal.records import Batch, Losses, PseudoLabels

log = logging.getLogger(__name__)

NUM_RECORDS = 50  # points of a training curve; each costs one wait for the device


class TrainingDivergedError(RuntimeError):
    """A loss term is no longer finite."""


def batches(
    corpus: Corpus, labels: PseudoLabels, plan: Training, rng: np.random.Generator
) -> Iterator[Batch]:
    """Endless training batches: cut or padded videos with their pseudo-labels."""
    if plan.batch_size is None:
        raise ConfigError("batch_size is not settled; pass the method through utal.sizing.sized")
    chosen = labels.videos.numpy()
    for rows in plan.batching.batches(labels.targets.numpy(), plan.batch_size, rng):
        videos = chosen[rows]
        snippets = [plan.snippets.draw(corpus.videos[v].num_snippets, rng) for v in videos]
        features, mask = corpus.batch(videos.tolist(), snippets)
        yield Batch(
            features=features,
            mask=mask,
            targets=labels.targets[rows],
            weights=labels.weights[rows],
            videos=labels.videos[rows],
        )


def moved(batch: Batch, device: torch.device) -> Batch:
    """The batch on the device."""
    return Batch(
        *(
            tensor.to(device, non_blocking=True)
            for tensor in (batch.features, batch.mask, batch.targets, batch.weights, batch.videos)
        )
    )


def num_steps(plan: Training, share: float) -> int:
    """Steps of a round that trains on the given share of the videos.

    Source: FEEL Sec. 4.1.2, E_i = E_max * |V_i*| / |V|.
    """
    if plan.steps is None:
        raise ConfigError("steps is not settled; pass the method through utal.sizing.sized")
    steps = round(plan.steps * share) if plan.scale_steps else plan.steps
    return max(plan.min_steps, steps)


def new_optimiser(
    network: nn.Module, objective: nn.Module, plan: Training
) -> torch.optim.Optimizer:
    """Adam over the parameters of the network, and over those of the objective if it learns."""
    learned = list(objective.parameters())
    groups = [{"params": list(network.parameters())}, {"params": learned}]
    return torch.optim.Adam(
        groups if learned else groups[:1],
        lr=plan.learning_rate,
        betas=plan.betas,
        weight_decay=plan.weight_decay,
        fused=True,
    )


def _set_rate(optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = learning_rate


@dataclass
class _Curve:
    """Mean of each loss term since the last record; adds on the device, waits only to record."""

    steps: list[int]
    terms: dict[str, list[float]]
    sums: dict[str, Float[Tensor, ""]]
    since: int = 0

    def add(self, terms: dict[str, Tensor], total: Tensor) -> None:
        for name, value in {**terms, "total": total}.items():
            value = value.detach()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.since += 1

    def record(self, step: int) -> float:
        values = torch.stack(list(self.sums.values())).div(self.since).tolist()
        for name, value in zip(self.sums, values, strict=True):
            if not np.isfinite(value):
                raise TrainingDivergedError(
                    f"loss term {name!r} became {value} before step {step}; "
                    "lower training.learning_rate"
                )
            self.terms.setdefault(name, []).append(value)
        self.steps.append(step)
        self.sums, self.since = {}, 0
        return self.terms["total"][-1]

    def losses(self) -> Losses:
        return Losses(tuple(self.steps), {name: tuple(v) for name, v in self.terms.items()})


def fit(
    network: nn.Module,
    objective: nn.Module,
    optimiser: torch.optim.Optimizer,
    corpus: Corpus,
    labels: PseudoLabels,
    plan: Training,
    *,
    steps: int,
    seed: int,
    device: torch.device,
) -> Losses:
    """Trains the network in place for `steps` steps and returns the training curve.

    Raises:
        TrainingDivergedError: a loss term is not finite; named with the step.
    """
    rng = np.random.default_rng(seed)
    curve = _Curve([], {}, {})
    every = max(1, steps // NUM_RECORDS)
    network.train()
    objective.train()
    supply = batches(corpus, labels, plan, rng)
    for step in range(steps):
        _set_rate(optimiser, plan.learning_rate * (plan.late_factor if 2 * step >= steps else 1))
        batch = moved(next(supply), device)
        with torch.autocast(device.type, torch.bfloat16, enabled=plan.mixed_precision):
            output = network(batch.features, batch.mask)
            terms = objective(output, batch, step / steps)
        total = torch.stack(list(terms.values())).sum()
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        if plan.gradient_norm is not None:
            learned = [p for group in optimiser.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(learned, plan.gradient_norm)
        optimiser.step()
        curve.add(terms, total)
        if (step + 1) % every == 0 or step + 1 == steps:
            loss = curve.record(step + 1)
            log.info("step %d of %d: loss %.4f", step + 1, steps, loss)
    return curve.losses()
