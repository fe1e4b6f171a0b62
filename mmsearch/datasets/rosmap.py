"""ROSMAP: Alzheimer's disease against normal control, from three views of omics (MOGONET's csv)."""

from mmsearch.datasets.mogonet import Mogonet

DATASET = Mogonet(name="rosmap", metrics="binary", classes=("NC", "AD"))
