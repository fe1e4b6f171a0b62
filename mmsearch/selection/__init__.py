"""The selection room: fresh seeds for the best configurations, statistics, and the test split.

Unusual: everything up to the choice is a function of records alone; `opening` is the only module of
the package that reads the test split.
"""
