"""CH-SIMS in MMSA's layout: 1368 train, 456 valid, 457 test clips in Chinese, sentiment in [-1, 1].

Unusual: the human unimodal labels of the files are not read; methods that want them make their own.
"""

from mmsearch.datasets.mmsa import Mmsa

DATASET = Mmsa(name="sims", bound=1.0, metrics="sims", files=("unaligned_39.pkl",))
