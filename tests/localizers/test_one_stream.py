"""One stream alone: equal to the localizer on those channels, blind to the others."""

import pytest
import torch

from utal.errors import ConfigError
from utal.grouping.describing import TopEmbedding, TopRaw
from utal.grouping.one_stream import DescribeStream
from utal.localizers.cola import Cola
from utal.localizers.one_stream import OneStream
from utal.records import Scores

STREAMS = (4, 3)


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    features = torch.rand(2, 20, 7, generator=torch.Generator().manual_seed(0))
    return features, torch.ones(2, 20, dtype=torch.bool)


@pytest.mark.parametrize(("stream", "channels"), [(0, slice(0, 4)), (1, slice(4, 7))])
def test_network_is_the_localizers_on_those_channels(stream: int, channels: slice) -> None:
    part = OneStream(Cola(width=8), stream)
    assert part.output is Scores
    assert part.learns_embedding
    torch.manual_seed(0)
    ours = part.build(STREAMS, 3).eval()
    torch.manual_seed(0)
    alone = Cola(width=8).build((channels.stop - channels.start,), 3).eval()
    features, mask = inputs()
    torch.testing.assert_close(
        ours(features, mask).cas, alone(features[:, :, channels], mask).cas, rtol=0, atol=0
    )
    other = features.clone()
    other[:, :, [c for c in range(7) if c not in range(7)[channels]]] += 5
    torch.testing.assert_close(ours(other, mask).cas, ours(features, mask).cas, rtol=0, atol=0)


@pytest.mark.parametrize("output", [None, "given"])
def test_view_is_the_describers_of_those_channels(output: str | None) -> None:
    features = inputs()[0][0]
    scores = None
    if output:
        attention = torch.rand(1, 20, generator=torch.Generator().manual_seed(1))
        scores = Scores(torch.rand(1, 20, 5), attention[..., None], attention, torch.ones(1, 1))
    for describer in (TopRaw(), TopEmbedding()):
        view = DescribeStream(describer, 1).describe(features, scores, STREAMS)
        alone = describer.describe(features[:, 4:], scores, (3,))
        assert torch.equal(view.vector, alone.vector)


def test_a_stream_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="stream 1 is not in the features, which have 1 stream "):
        OneStream(Cola(), 1).build((7,), 3)
    with pytest.raises(ConfigError, match="stream 2 is not in the features, which have 2 streams"):
        DescribeStream(TopRaw(), 2).describe(torch.rand(4, 7), None, STREAMS)
    for part in (OneStream, DescribeStream):
        with pytest.raises(ConfigError, match="stream must be at least 0, got -1"):
            part(Cola() if part is OneStream else TopRaw(), -1)
