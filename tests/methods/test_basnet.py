"""Objectives of BaS-Net and STPN: released gradients, DCC's base, and their presets."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.localizers.test_basnet import NAMES, RELEASED, released_network
from tests.oracle_data import cases, no_labels
from utal.errors import ConfigError
from utal.localizers.basnet import BasNet, background_output
from utal.localizers.cola import Cola
from utal.localizers.stpn import Stpn
from utal.methods import basnet, dcc, stpn
from utal.methods.basnet import SuppressBackground
from utal.methods.stpn import AttendSparsely
from utal.records import Batch

DCC = cases("dcc.npz", listed_as="base_cases")
SETTINGS = [
    (BasNet(width=5, foreground_width=3), SuppressBackground()),
    (BasNet(width=5, foreground_width=3), SuppressBackground(1e-2, True, False, 1)),
    (Stpn(attention_width=3), AttendSparsely(1e-2)),
]


def batch_of(features: torch.Tensor, targets: torch.Tensor) -> Batch:
    count = len(features)
    mask = torch.ones(features.shape[:2], dtype=torch.bool)
    return Batch(features, mask, targets, torch.ones(count).double(), torch.arange(count))


@pytest.mark.parametrize("name", RELEASED)
def test_released_terms_and_gradients(name: str) -> None:
    case = RELEASED[name]
    network = released_network(case)
    features = torch.tensor(case["features"], requires_grad=True)
    targets = torch.tensor(case["label"])
    alpha = float(case["alpha"])
    loss = SuppressBackground(foreground_weight=alpha).loss(no_labels(targets.shape[1]), None)
    batch = batch_of(features, targets)
    terms = loss(network(features, batch.mask), batch, 0.0)
    assert terms["base"].item() == pytest.approx(float(case["loss_base"]), rel=1e-9)
    assert terms["suppressed"].item() == pytest.approx(float(case["loss_supp"]), rel=1e-9)
    norm = alpha * float(case["loss_norm"])
    assert terms["foreground"].item() == pytest.approx(norm, rel=1e-9)
    total = torch.stack(list(terms.values())).sum()
    assert total.item() == pytest.approx(float(case["loss_total"]), rel=1e-9)
    assert float(case["topk_margin"]) > 1e-9
    total.backward()
    gradients = {"grad_total__features": features.grad}
    for ours, theirs in NAMES.items():
        for kind in ("weight", "bias"):
            if f"grad_total__{theirs}.{kind}" in case:
                gradient = network.get_parameter(f"{ours}.{kind}").grad
                gradients[f"grad_total__{theirs}.{kind}"] = gradient
    assert gradients.keys() == {key for key in case if key.startswith("grad_")}
    for key, gradient in gradients.items():
        expected = case[key]
        atol = 1e-8 * abs(expected).max()
        np.testing.assert_allclose(gradient.reshape(expected.shape), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("name", DCC)
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("mean", [True, False])
def test_dcc_base(name: str, normalised: bool, mean: bool) -> None:
    """DCC's Eq. 1 and 2 through the objective: sums over classes, either label, either norm."""
    case = DCC[name]
    cas, foreground = torch.tensor(case["cas"]), torch.tensor(case["foreground"])
    batch = batch_of(torch.zeros(*cas.shape[:2], 1).double(), torch.tensor(case["labels"]).double())
    output = background_output(
        batch.features,
        cas,
        foreground[:, :, None] * cas,
        foreground,
        batch.mask,
        top_ratio=8,
        localise_base=True,
    )
    settings = SuppressBackground(1e-5, mean, normalised, max_divisor=1)
    terms = settings.loss(no_labels(cas.shape[2] - 1), None)(output, batch, 0.0)
    mil = float(case[f"L_mil_{'' if normalised else 'un'}normalised_labels"])
    norm = float(case[f"L_norm_{'mean' if mean else 'sum'}"])
    assert (terms["base"] + terms["suppressed"]).item() == pytest.approx(mil, rel=1e-9)
    assert terms["foreground"].item() == pytest.approx(1e-5 * norm, rel=1e-9)


def random_batch() -> Batch:
    features = torch.rand(4, 20, 6, generator=torch.Generator().manual_seed(0)).double()
    return batch_of(features, torch.eye(3)[[0, 1, 2, 0]].double())


def terms_of(objective: object, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
    loss = objective.loss(no_labels(3), None)
    terms: dict[str, torch.Tensor] = loss(network(batch.features, batch.mask), batch, 0.0)
    return terms


@pytest.mark.parametrize(("localizer", "objective"), SETTINGS)
def test_what_cannot_matter(localizer: BasNet | Stpn, objective: object) -> None:
    """A video of weight 0 and the order of the others."""
    torch.manual_seed(0)
    network = localizer.build((6,), 3).double().eval()
    batch = random_batch()
    weights = torch.tensor([1.0, 0.0, 1.0, 1.0]).double()
    found = terms_of(objective, network, replace(batch, weights=weights))
    rows = torch.tensor([3, 0, 2])
    names = ("features", "mask", "targets", "weights", "videos")
    fewer = Batch(*(getattr(batch, name)[rows] for name in names))
    torch.testing.assert_close(terms_of(objective, network, fewer), found)


@pytest.mark.parametrize(
    ("localizer", "objective"),
    [
        (BasNet(width=16, foreground_width=16, dropout=0.0), SuppressBackground()),
        (
            replace(dcc.BASE, width=16, foreground_width=16, dropout=0.0),
            dcc.DenoisedContrast().base,
        ),
        (Stpn(attention_width=16), AttendSparsely(1e-3)),
    ],
)
def test_they_train(localizer: BasNet | Stpn, objective: object) -> None:
    """Three videos, action of one's own channel in one half: class and half are found."""
    torch.manual_seed(0)
    network = localizer.build((4,), 3)
    features = torch.zeros(3, 24, 4)
    features[:, 12:, 3] = 1.0
    features[torch.arange(3), :12, torch.arange(3)] = 1.0
    batch = replace(batch_of(features, torch.eye(3)), weights=torch.ones(3))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(100):
        optimiser.zero_grad()
        torch.stack(list(terms_of(objective, network, batch).values())).sum().backward()
        optimiser.step()
    scores = network.eval()(batch.features, batch.mask).scores
    assert torch.equal(scores.probability.argmax(1), torch.arange(3))
    own = scores.cas[torch.arange(3), :, torch.arange(3)]
    assert (own[:, 1:11].amin(1) > own[:, 13:].amax(1)).all()
    if not isinstance(localizer, BasNet) or localizer.suppress_features:
        # Weights on activations may as well be high where these are negative.
        assert (scores.attention[:, 1:11].amin(1) > scores.attention[:, 13:].amax(1)).all()


def test_localizers_that_lack_what_is_read_are_named() -> None:
    for objective, lacking in ((SuppressBackground(), Stpn()), (AttendSparsely(), BasNet())):
        for localizer in (lacking, Cola()):
            with pytest.raises(ConfigError, match=f"but {type(localizer).__name__} gives"):
                objective.check(localizer)
    with pytest.raises(ConfigError, match="max_divisor must be at least 1"):
        SuppressBackground(max_divisor=0)
    with pytest.raises(ConfigError, match="max_divisor must be at least 1"):
        AttendSparsely(max_divisor=0)
    with pytest.raises(ConfigError, match="foreground_weight must not be negative"):
        SuppressBackground(foreground_weight=-1.0)
    with pytest.raises(ConfigError, match="sparsity_weight must not be negative"):
        AttendSparsely(-1.0)


@pytest.mark.parametrize("clusters", [3, 20, 100])
def test_divisor_of_the_mean(clusters: int) -> None:
    """Losses of what knows nothing are those of a mean up to the papers' 20 classes."""
    targets = torch.eye(clusters)[:2]
    batch = replace(batch_of(torch.zeros(2, 8, 4), targets), weights=torch.ones(2))
    found = {}
    for localizer, objective in (
        (Stpn(attention_width=1), AttendSparsely()),
        (BasNet(width=2, foreground_width=1), SuppressBackground()),
    ):
        network = localizer.build((4,), clusters)
        with torch.no_grad():
            for parameter in network.classify.parameters():
                parameter.zero_()
        terms = objective.loss(no_labels(clusters), None)(
            network(batch.features, batch.mask), batch, 0.0
        )
        found[type(localizer)] = terms
    factor = max(1, clusters / 20)
    expected = torch.tensor(2.0).log() * factor
    torch.testing.assert_close(found[Stpn]["classification"], expected)
    columns = clusters + 1
    own = -(np.log(1 / columns) + (columns - 1) * np.log(1 - 1 / columns)) / min(columns, 21)
    assert found[BasNet]["suppressed"].item() == pytest.approx(own, rel=1e-5)


def test_presets_are_the_published_settings() -> None:
    released = basnet.PRESETS["thumos14"].build()
    assert (released.training.steps, released.training.batch_size) == (1500, 16)
    assert released.decoder.cas_thresholds[-1] == 0.225
    assert set(basnet.PRESETS) == {"", "thumos14", "activitynet12", "activitynet13"}
    paper = stpn.PRESETS["thumos14"].build()
    assert (paper.training.steps, paper.training.weight_decay) == (24_000, 0.0)
    recipe = stpn.PRESETS["thumos14-dcc"].build()
    assert recipe.localizer.learns_embedding
    assert not paper.localizer.learns_embedding
    assert recipe.decoder.cas_thresholds[::12] == (0.0, 0.3, 0.6, 0.9)
