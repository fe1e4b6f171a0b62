"""N24News with its headlines: the section of an article from its image and its headline."""

from mmsearch.datasets.n24news import N24News

DATASET = N24News(name="n24news_headline", keys=("headline",))
