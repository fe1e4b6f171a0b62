"""Encoders: one modality's padded sequences to one vector per example; and the prediction head."""

from mmsearch.encoders.base import Encoder, EncoderSettings
from mmsearch.encoders.convolution import TemporalConvolution
from mmsearch.encoders.cross_transformer import CrossTransformer
from mmsearch.encoders.final_states import FinalStates
from mmsearch.encoders.first_step import FirstStep
from mmsearch.encoders.head import Head
from mmsearch.encoders.lstm import LastState
from mmsearch.encoders.mlp import MLP, perceptron
from mmsearch.encoders.step_scores import StepScores
from mmsearch.encoders.steps import StepEncoder, StepEncoders, mean_of_steps
from mmsearch.encoders.transformer import TemporalTransformer

__all__ = [
    "MLP",
    "CrossTransformer",
    "Encoder",
    "EncoderSettings",
    "FinalStates",
    "FirstStep",
    "Head",
    "LastState",
    "StepEncoder",
    "StepEncoders",
    "StepScores",
    "TemporalConvolution",
    "TemporalTransformer",
    "mean_of_steps",
    "perceptron",
]
