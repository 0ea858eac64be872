"""Expectations of the tables, one file per table; no other package uses Great Expectations.

Each module has ``suite(bounds) -> list of Expectation``, where `bounds` is the
section ``validate`` of params.yaml. An expectation has its `reason` in its `meta`.
Rows that violate an expectation of single rows go to quarantine; a violated
expectation of a whole table stops the pipeline.
"""
