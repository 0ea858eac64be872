"""Scikit-learn pipelines, one per file: the file name is the estimator's name.

Conventions
-----------
A file holds ``pipeline(seed, *, ...)``, which gives an unfitted classifier with
``predict_proba``, and ``search_space(trial)``, which gives ``{"network": {...},
"train": {}}`` with departures from that signature. ``LEAST`` is the number of
examples that the classifier needs of each class.

A track is what `ostinato.core.summary` makes of its rows, so that whoever
uses a fitted estimator needs NumPy alone.
"""
