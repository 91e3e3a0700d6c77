"""The one loop that fills the holes of a grid of codes, and the pieces it is made of."""

from audiogen.decoding.condition import NO_CONDITION, Condition
from audiogen.decoding.confidence import Confidence
from audiogen.decoding.decoder import MaskedModel, decode
from audiogen.decoding.guidance import Guidance
from audiogen.decoding.noise import GridNoise, ItemNoise, Noise, NoNoise, StreamNoise
from audiogen.decoding.plan import Plan, Stage
from audiogen.decoding.rescoring import Rescoring
from audiogen.decoding.sampling import Sampling
from audiogen.decoding.schedule import Linear, cosine, float32_cosine, linear, stretched
from audiogen.decoding.trace import Step, Trace

__all__ = [
    "NO_CONDITION",
    "Condition",
    "Confidence",
    "GridNoise",
    "Guidance",
    "ItemNoise",
    "Linear",
    "MaskedModel",
    "NoNoise",
    "Noise",
    "Plan",
    "Rescoring",
    "Sampling",
    "Stage",
    "Step",
    "StreamNoise",
    "Trace",
    "cosine",
    "decode",
    "float32_cosine",
    "linear",
    "stretched",
]
