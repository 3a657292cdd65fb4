"""One feature stream alone: a localizer that is blind to the others."""

from dataclasses import dataclass, field

from jaxtyping import Bool, Float
from torch import Tensor, nn

from utal.errors import ConfigError
from utal.localizers.cola import Cola
from utal.method import Localizer
from utal.records import Output


def stream_slice(streams: tuple[int, ...], stream: int) -> slice:
    """The channels of one stream.

    Args:
        streams: widths of all streams, in channel order.
        stream: number of the stream, from 0.

    Raises:
        ConfigError: there is no such stream.
    """
    if not 0 <= stream < len(streams):
        count = f"{len(streams)} stream" + ("s" if len(streams) > 1 else "")
        raise ConfigError(
            f"stream {stream} is not in the features, which have {count} numbered from 0; "
            "choose another stream or features of several streams"
        )
    first = sum(streams[:stream])
    return slice(first, first + streams[stream])


@dataclass(frozen=True, slots=True)
class OneStream:
    """Another localizer, fed with the channels of one stream.

    What is clustered has to be restricted as well, see `utal.grouping.one_stream.DescribeStream`.

    Attributes:
        localizer: what the stream is fed to.
        stream: its number in channel order; with I3D features 0 is appearance and 1 is flow.

    Source: "only RGB" and "only flow" of APSL Table 6.
    """

    localizer: Localizer = field(default=Cola())
    stream: int = 0

    def __post_init__(self) -> None:
        check_stream(self.stream)

    @property
    def output(self) -> type:
        """As the localizer."""
        return self.localizer.output

    @property
    def learns_embedding(self) -> bool:
        """As the localizer."""
        return self.localizer.learns_embedding

    def build(self, streams: tuple[int, ...], num_clusters: int) -> nn.Module:
        """The localizer's network behind a view of its channels.

        Raises:
            ConfigError: the features have no such stream.
        """
        channels = stream_slice(streams, self.stream)
        network = self.localizer.build((streams[self.stream],), num_clusters)
        return OneStreamNetwork(network, channels)


class OneStreamNetwork(nn.Module):
    """Cuts the channels out and hands them on."""

    def __init__(self, network: nn.Module, channels: slice) -> None:
        super().__init__()
        self.network = network
        self.channels = channels

    def forward(
        self, features: Float[Tensor, "batch time channel"], mask: Bool[Tensor, "batch time"]
    ) -> Output:
        """What the network says of its channels."""
        output: Output = self.network(features[:, :, self.channels], mask)
        return output


def check_stream(stream: int) -> None:
    """Streams are counted from 0.

    Raises:
        ConfigError: the number is negative.
    """
    if stream < 0:
        raise ConfigError(f"stream must be at least 0, got {stream}")
