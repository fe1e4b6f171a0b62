"""`python -m mmsearch.tune`, but a gang counts as hung after seconds: what tests of faults run."""

from mmsearch.cluster import search
from mmsearch.cluster.pulse import Patience
from mmsearch.tune.__main__ import app

search.PATIENCE = Patience(batches_s=8.0, look_s=1.0)
app()
