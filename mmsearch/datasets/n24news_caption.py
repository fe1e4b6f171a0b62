"""N24News with its captions: the section of an article from its image and its caption."""

from mmsearch.datasets.n24news import N24News

DATASET = N24News(name="n24news_caption", keys=("caption",))
