"""Scikit-learn pipelines, one per file: the file name is the estimator's name.

Conventions
-----------
A file has ``pipeline(seed, *, ...)``, which returns an unfitted classifier with
``predict_proba``, and ``search_space(trial)``, which returns ``{"network": {...},
"train": {}}`` with overrides of that signature. ``MIN_EXAMPLES`` is the number of examples
that the classifier needs of each class.

A track is a vector from `ostinato.core.summary`, so that using a fitted estimator
needs only NumPy.
"""
