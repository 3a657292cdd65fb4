"""The objective of late fusion: every stream's network is trained on its own."""

from dataclasses import dataclass, replace

from torch import Tensor, nn

from utal.errors import ConfigError
from utal.localizers.fusion import Fused, FusionNetwork, LateFusion
from utal.method import Localizer, Objective
from utal.records import Batch, PseudoLabels


@dataclass(frozen=True, slots=True)
class PerStream:
    """Another objective, applied to each stream of a `LateFusion` localizer and summed.

    The networks share no parameter, so each is trained as if it were alone.

    Attributes:
        objective: of a single stream.

    Source: TCAM Sec. 4.2; STPN.
    """

    objective: Objective

    def check(self, localizer: Localizer) -> None:
        """Refuses all but `LateFusion` of a localizer that the inner objective accepts."""
        if not isinstance(localizer, LateFusion):
            raise ConfigError(
                f"PerStream trains one network per stream; wrap {type(localizer).__name__} in "
                "LateFusion"
            )
        self.objective.check(localizer.localizer)

    def loss(self, labels: PseudoLabels, teacher: nn.Module | None) -> nn.Module:
        """One loss per stream, each with its own stream of the teacher."""
        return PerStreamLoss(self.objective, labels, teacher)


class PerStreamLoss(nn.Module):
    """The terms of every stream, named `0_classification`, `1_classification` and so on.

    Without a teacher the number of streams shows in the first output only, so the losses of the
    streams are made then. (With one, losses may learn, and an optimiser must know them before.)
    """

    def __init__(
        self, objective: Objective, labels: PseudoLabels, teacher: nn.Module | None
    ) -> None:
        super().__init__()
        self.objective = objective
        self.labels = labels
        teachers = teacher.networks if isinstance(teacher, FusionNetwork) else ()
        self.losses = nn.ModuleList(objective.loss(labels, each) for each in teachers)

    def forward(self, output: Fused, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Every stream's terms on its own channels."""
        if not len(self.losses):
            made = [self.objective.loss(self.labels, None) for _ in output.streams]
            self.losses.extend(made).to(batch.features.device).train(self.training)
        parts = batch.features.split(output.widths, dim=2)
        return {
            f"{number}_{name}": value
            for number, loss in enumerate(self.losses)
            for name, value in loss(
                output.streams[number], replace(batch, features=parts[number]), progress
            ).items()
        }
