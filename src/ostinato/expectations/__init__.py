"""Expectations of the tables, one file per table: the only door to Great Expectations.

Each module has ``suite(bounds) -> list of Expectation``, where `bounds` is the
section ``validate`` of params.yaml. An expectation carries its `reason` in its
`meta`. Where it speaks of single rows, the rows that break it go to quarantine
and the rest goes on; where it speaks of the whole table, breaking it stops the
pipeline.
"""
