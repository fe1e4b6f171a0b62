"""CMU-MOSI in MMSA's layout: 1284 train, 229 valid, 686 test utterances, sentiment in [-3, 3]."""

from mmsearch.datasets.mmsa import Mmsa

DATASET = Mmsa(name="mosi", bound=3.0, metrics="mosi", files=("aligned_50.pkl", "unaligned_50.pkl"))
