"""Regression of a number per track, such as popularity, from a feature or from a candidate's vectors.

Every fold is fitted on the training artists of the existing split, with its regularisation chosen on the validation
artists, and judged on the test artists. `ostinato.stages.regress` runs it.
"""
