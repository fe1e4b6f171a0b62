"""N24News with whole articles: the section of an article from its image and its body.

Unusual: M3CoL reports the other three types of text and not this one.
"""

from mmsearch.datasets.n24news import N24News

DATASET = N24News(name="n24news_article", keys=("article", "body"))
