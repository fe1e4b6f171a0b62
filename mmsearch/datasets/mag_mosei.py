"""CMU-MOSEI as MAG-BERT and MIM take it: word-aligned, raw text, sentiment in [-3, 3]."""

from mmsearch.datasets.mag import Mag

DATASET = Mag(name="mag_mosei", file="mosei.pkl")
