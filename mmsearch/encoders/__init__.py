"""Encoders: one modality's padded sequences to one vector per example; and the prediction head."""

from mmsearch.encoders.base import Encoder, EncoderSettings
from mmsearch.encoders.first_step import FirstStep
from mmsearch.encoders.head import Head
from mmsearch.encoders.lstm import LastState

__all__ = ["Encoder", "EncoderSettings", "FirstStep", "Head", "LastState"]
