"""One feature stream alone: a describer that is blind to the others."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from utal.grouping.describing import TopRaw
from utal.localizers.one_stream import check_stream, stream_slice
from utal.method import Describer
from utal.records import Output, View


@dataclass(frozen=True, slots=True)
class DescribeStream:
    """Another describer, shown the channels of one stream.

    Attributes:
        describer: what the stream is shown to.
        stream: its number in channel order.

    Source: "only RGB" and "only flow" of APSL Table 6: what is clustered has one stream, too.
    """

    describer: Describer = field(default=TopRaw())
    stream: int = 0

    def __post_init__(self) -> None:
        check_stream(self.stream)

    def describe(
        self,
        features: Float[Tensor, "time channel"],
        output: Output | None,
        streams: tuple[int, ...],
    ) -> View:
        """The describer's view of the stream; the output is handed on as it is.

        Raises:
            ConfigError: the features have no such stream.
        """
        channels = stream_slice(streams, self.stream)
        return self.describer.describe(features[:, channels], output, (streams[self.stream],))
