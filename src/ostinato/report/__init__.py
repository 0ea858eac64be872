"""The report: one page, a section a file, and the same figures as tables for `dvc plots` and for pull requests."""
