"""BRCA: five subtypes of breast cancer from three views of omics, in MOGONET's csv layout.

Unusual: rebuilt versions with other patients or features are read as well; their figures do not
compare with published ones, whose data has 612 train and 263 test rows.
"""

from mmsearch.datasets.mogonet import Mogonet

DATASET = Mogonet(
    name="brca",
    metrics="multiclass",
    classes=("Normal-like", "Basal", "HER2", "LumA", "LumB"),
)
