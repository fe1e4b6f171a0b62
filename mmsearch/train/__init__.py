"""`python -m mmsearch.train CARD`: trains a card's configuration again, with no Ray. Thin."""
