"""The list of parts: what a configuration and `--set` can name, and the contract suites test."""

from utal.batching import Grouped, PairsAndRandom, Shuffled
from utal.decoding.mean_multiples import MeanMultiples
from utal.decoding.proposals import OuterInnerProposals
from utal.decoding.weighted_cam import WeightedCamProposals
from utal.grouping import clustering, describing, refining, selecting
from utal.grouping.agglomerative import Agglomerative
from utal.grouping.attended import TopSnippets
from utal.grouping.boundary import BoundaryEmbedding
from utal.grouping.contrastive import Halves
from utal.grouping.one_stream import DescribeStream
from utal.grouping.posterior import ArgMaxPosterior, WithPosterior
from utal.grouping.snippet_votes import SnippetVotes
from utal.grouping.spectral import Spectral
from utal.localizers.aicl import Aicl
from utal.localizers.basnet import BasNet
from utal.localizers.case import Case
from utal.localizers.co_attention import CoAttention, ConvCoAttention, ReleasedCoAttention
from utal.localizers.cola import Cola
from utal.localizers.fusion import LateFusion
from utal.localizers.headed import WithClusterHead
from utal.localizers.one_stream import OneStream
from utal.localizers.stpn import Stpn
from utal.methods.action_positives import SeparateActionPositives
from utal.methods.aicl import ClassifyAndAgree
from utal.methods.basnet import SuppressBackground
from utal.methods.case import ClassifyAndCluster
from utal.methods.co_attention import CoAttentionObjective
from utal.methods.cola import ClassifyAndContrast
from utal.methods.denoised_contrast import DenoisedContrast
from utal.methods.hierarchical_contrast import HierarchicalContrast
from utal.methods.per_stream import PerStream
from utal.methods.stpn import AttendSparsely
from utal.sampling import (
    AllOrUniform,
    RandomSnippets,
    Uniform,
    WholeVideos,
)

PARTS: tuple[type, ...] = (
    Cola,
    Aicl,
    Case,
    CoAttention,
    ConvCoAttention,
    ReleasedCoAttention,
    LateFusion,
    OneStream,
    WithClusterHead,
    BasNet,
    Stpn,
    ClassifyAndContrast,
    ClassifyAndAgree,
    ClassifyAndCluster,
    SuppressBackground,
    AttendSparsely,
    DenoisedContrast,
    SeparateActionPositives,
    HierarchicalContrast,
    CoAttentionObjective,
    PerStream,
    describing.AttentionRaw,
    describing.TopEmbedding,
    describing.TopRaw,
    describing.StreamAttention,
    BoundaryEmbedding,
    DescribeStream,
    TopSnippets,
    WithPosterior,
    clustering.KMeans,
    Agglomerative,
    Halves,
    ArgMaxPosterior,
    SnippetVotes,
    Spectral,
    refining.Keep,
    refining.ReciprocalJaccard,
    selecting.TakeAll,
    selecting.ConstantSpeed,
    selecting.VariableSpeed,
    OuterInnerProposals,
    MeanMultiples,
    WeightedCamProposals,
    AllOrUniform,
    Uniform,
    RandomSnippets,
    WholeVideos,
    Shuffled,
    Grouped,
    PairsAndRandom,
)
"""Every part of the package that a method can name."""
