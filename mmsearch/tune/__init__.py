"""`python -m mmsearch.tune selfmi`: searches one study. Thin: parse, call, print."""
