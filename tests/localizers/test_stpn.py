"""The STPN network: by hand, against a loop, its published size, and padding."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from utal.errors import ConfigError
from utal.localizers.stpn import Stpn

SETTINGS = [Stpn(attention_width=4), Stpn(width=5, attention_width=4, dropout=0.5)]


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    features = torch.rand(2, 9, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return features, torch.ones(2, 9, dtype=torch.bool)


@pytest.mark.parametrize("settings", SETTINGS)
def test_plain_loop(settings: Stpn) -> None:
    features, mask = inputs()
    torch.manual_seed(0)
    network = settings.build((6,), 3).double().eval()
    output = network(features, mask)
    embedding = output.scores.embedding
    assert torch.equal(embedding, features) is (settings.width is None)
    weight, bias = network.classify.weight, network.classify.bias
    for video in range(2):
        pooled = torch.zeros(embedding.shape[2], dtype=torch.float64)
        for time in range(9):
            snippet = embedding[video, time]
            hidden = torch.relu(network.attend[0](snippet))
            attention = torch.sigmoid(network.attend[2](hidden))[0]
            torch.testing.assert_close(output.scores.attention[video, time], attention)
            torch.testing.assert_close(output.activation[video, time], weight @ snippet)
            cas = attention * torch.sigmoid(weight @ snippet)
            torch.testing.assert_close(output.scores.cas[video, time], cas)
            pooled = pooled + attention * snippet / 9
        torch.testing.assert_close(output.logits[video], weight @ pooled + bias)
    torch.testing.assert_close(output.scores.probability, torch.softmax(output.logits, 1))


def test_by_hand() -> None:
    """Two snippets of one channel, attention 1/2 and 3/4, one class of weight 2 and bias 1."""
    network = Stpn(attention_width=1).build((1,), 1)
    with torch.no_grad():
        for parameter, value in zip(
            network.parameters(), (1.0, 0.0, 1.0, 0.0, 2.0, 1.0), strict=True
        ):
            parameter.fill_(value)
    features = torch.tensor([[[0.0], [torch.tensor(3.0).log()]]])
    output = network(features, torch.ones(1, 2, dtype=torch.bool))
    torch.testing.assert_close(output.scores.attention, torch.tensor([[0.5, 0.75]]))
    torch.testing.assert_close(output.activation[0, :, 0], 2 * features[0, :, 0])
    torch.testing.assert_close(output.scores.cas[0, :, 0], torch.tensor([0.25, 0.75 * 0.9]))
    torch.testing.assert_close(output.logits, 0.75 * features[:, 1] + 1)


@pytest.mark.parametrize("settings", SETTINGS)
def test_padding_is_nothing(settings: Stpn) -> None:
    features, mask = inputs()
    torch.manual_seed(0)
    network = settings.build((6,), 3).double().eval()
    alone = network(features, mask)
    padded = network(F.pad(features, (0, 0, 0, 4)), F.pad(mask, (0, 4)))
    torch.testing.assert_close(padded.logits, alone.logits)
    torch.testing.assert_close(padded.activation[:, :9], alone.activation)
    torch.testing.assert_close(padded.scores.attention[:, :9], alone.scores.attention)
    assert not padded.scores.attention[:, 9:].any()


def test_what_is_attended_to_decides() -> None:
    """A snippet without attention changes nothing but its own activation."""
    features, mask = inputs()
    torch.manual_seed(0)
    network = Stpn(attention_width=4).build((6,), 3).double().eval()
    with torch.no_grad():  # attention falls with the first channel, to nothing
        for parameter in network.attend.parameters():
            parameter.zero_()
        network.attend[0].weight[0, 0] = 1.0
        network.attend[2].weight[0, 0] = -1.0
    features[:, 3, 0] = 1000.0
    before = network(features, mask)
    features[:, 3, 1:] += 7
    after = network(features, mask)
    torch.testing.assert_close(after.logits, before.logits)
    assert not torch.equal(after.activation, before.activation)


def test_published_size() -> None:
    """283,157 parameters per stream and 20 classes, as the re-implementation."""
    with torch.device("meta"):
        network = Stpn().build((1024,), 20)
    assert sum(parameter.numel() for parameter in network.parameters()) == 283_157
    assert not Stpn().learns_embedding
    assert Stpn(width=8).learns_embedding


@pytest.mark.parametrize(
    ("field", "value"), [("width", 0), ("kernel", 2), ("dropout", -0.1), ("attention_width", 0)]
)
def test_settings_out_of_range(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{field} must .*got {value}"):
        replace(Stpn(), **{field: value})
