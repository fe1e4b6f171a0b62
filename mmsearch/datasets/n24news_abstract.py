"""N24News with its abstracts: the section of an article from its image and its abstract."""

from mmsearch.datasets.n24news import N24News

DATASET = N24News(name="n24news_abstract", keys=("abstract",))
