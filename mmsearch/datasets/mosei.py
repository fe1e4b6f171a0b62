"""CMU-MOSEI in MMSA's layout: 16326 train, 1871 valid, 4659 test utterances, sentiment in [-3, 3].

Not the same task as `mosei922`, which is at video level with another label.
"""

from mmsearch.datasets.mmsa import Mmsa

DATASET = Mmsa(
    name="mosei", bound=3.0, metrics="mosi", files=("aligned_50.pkl", "unaligned_50.pkl")
)
