"""The BaS-Net network against the released code, and what its two branches must and must not be."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.oracle_data import cases
from utal.errors import ConfigError
from utal.localizers.basnet import BasNet, BasNetNetwork, background_output

RELEASED = cases("basnet.npz")
DCC = cases("dcc.npz", listed_as="base_cases")
NAMES = {
    "foreground.0": "filter_module.conv_1.0",
    "foreground.2": "filter_module.conv_2.0",
    "embed.first": "cas_module.conv_1.0",
    "embed.second": "cas_module.conv_2.0",
    "classify": "cas_module.conv_3.0",
}


def released_network(case: dict[str, np.ndarray]) -> BasNetNetwork:
    settings = BasNet(
        width=len(case["weight__cas_module.conv_1.0.bias"]),
        foreground_width=len(case["weight__filter_module.conv_1.0.bias"]),
    )
    channels, num_clusters = case["features"].shape[2], case["label"].shape[1]
    network = settings.build((channels,), num_clusters).double().eval()
    state = {
        f"{ours}.{kind}": torch.tensor(case[f"weight__{theirs}.{kind}"])
        for ours, theirs in NAMES.items()
        for kind in ("weight", "bias")
        if f"weight__{theirs}.{kind}" in case
    }
    # A convolution of kernel 1 is a linear map.
    state = {
        name: value if name.startswith("embed") or value.ndim == 1 else value[:, :, 0]
        for name, value in state.items()
    }
    network.load_state_dict(state)
    return network


@pytest.mark.parametrize("name", RELEASED)
def test_released_forward(name: str) -> None:
    case = RELEASED[name]
    features = torch.tensor(case["features"])
    output = released_network(case)(features, torch.ones(features.shape[:2], dtype=torch.bool))
    assert int(case["k"]) == features.shape[1] // 8
    for ours, theirs in (
        (output.foreground, "foreground_weights"),
        (output.cas_base, "cas_base"),
        (output.cas_suppressed, "cas_supp"),
        (output.probability_base, "score_base"),
        (output.probability_suppressed, "score_supp"),
    ):
        np.testing.assert_allclose(ours.detach().numpy(), case[theirs], rtol=1e-9, atol=1e-12)
    own = case["score_supp"][:, :-1]
    np.testing.assert_allclose(
        output.scores.probability.detach().numpy(), own / own.sum(1, keepdims=True), rtol=1e-9
    )
    np.testing.assert_array_equal(
        output.scores.cas.detach().numpy(), output.cas_suppressed[:, :, :-1].detach().numpy()
    )


@pytest.mark.parametrize("name", DCC)
def test_dcc_probabilities(name: str) -> None:
    """Of DCC's form, from its activations and foreground weights."""
    case = DCC[name]
    cas, foreground = torch.tensor(case["cas"]), torch.tensor(case["foreground"])
    assert int(case["k"]) == cas.shape[1] // 8
    output = background_output(
        torch.zeros(*cas.shape[:2], 1, dtype=torch.float64),
        cas,
        foreground[:, :, None] * cas,
        foreground,
        torch.ones(cas.shape[:2], dtype=torch.bool),
        top_ratio=8,
        localise_base=True,
    )
    np.testing.assert_allclose(output.probability_base, case["prob_base"], rtol=1e-9)
    np.testing.assert_allclose(output.probability_suppressed, case["prob_foreground"], rtol=1e-9)
    torch.testing.assert_close(output.scores.cas, torch.softmax(cas, 2)[:, :, :-1])


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    features = torch.rand(2, 24, 6, generator=torch.Generator().manual_seed(0))
    return features, torch.ones(2, 24, dtype=torch.bool)


def test_where_the_foreground_weights_act(inputs: tuple[torch.Tensor, torch.Tensor]) -> None:
    """On the activations in DCC's form; on the features in BaS-Net's, which is not the same."""
    features, mask = inputs
    torch.manual_seed(0)
    dcc = BasNet(width=5, suppress_features=False, localise_base=True).build((6,), 3).eval()
    output = dcc(features, mask)
    torch.testing.assert_close(
        output.cas_suppressed, output.foreground[..., None] * output.cas_base
    )
    torch.testing.assert_close(output.scores.cas, torch.softmax(output.cas_base, 2)[:, :, :-1])
    own = BasNet(width=5).build((6,), 3).eval()
    own.load_state_dict(dcc.state_dict())
    released = own(features, mask)
    torch.testing.assert_close(released.cas_base, output.cas_base)
    weighted = own(released.foreground[..., None] * features, mask)
    torch.testing.assert_close(released.cas_suppressed, weighted.cas_base)
    assert (released.cas_suppressed - output.cas_suppressed).abs().max() > 1e-4


@pytest.mark.parametrize("suppress_features", [True, False])
def test_padding_is_nothing(
    inputs: tuple[torch.Tensor, torch.Tensor], suppress_features: bool
) -> None:
    """The foreground weight of a padded snippet is 0, whatever the biases."""
    features, mask = inputs
    torch.manual_seed(0)
    settings = BasNet(
        width=5, suppress_features=suppress_features, localise_base=not suppress_features
    )
    network = settings.build((6,), 3).eval()
    alone = network(features, mask)
    padded = network(
        torch.nn.functional.pad(features, (0, 0, 0, 9)), torch.nn.functional.pad(mask, (0, 9))
    )
    for name in ("cas_base", "cas_suppressed", "foreground"):
        torch.testing.assert_close(getattr(padded, name)[:, :24], getattr(alone, name))
        assert not getattr(padded, name)[:, 24:].any()
    assert not padded.scores.cas[:, 24:].any()
    for name in ("probability_base", "probability_suppressed"):
        torch.testing.assert_close(getattr(padded, name), getattr(alone, name))


def test_published_size() -> None:
    """26,262,529 parameters on I3D features and 20 classes."""
    with torch.device("meta"):
        network = BasNet().build((1024, 1024), 20)
    assert sum(parameter.numel() for parameter in network.parameters()) == 26_262_529


@pytest.mark.parametrize(
    ("field", "value"),
    [("width", 0), ("kernel", 2), ("dropout", 1.0), ("top_ratio", 0), ("foreground_width", 0)],
)
def test_settings_out_of_range(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{field} must .*got {value}"):
        replace(BasNet(), **{field: value})
