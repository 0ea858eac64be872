"""Metrics: functions of (preds, target), a file per kind of task.

Every metric takes keyword arguments only; it is written once, by `replicates.metric_of`,
as a function of many replicates, of which all tracks are one. `target` is
(n_tracks, n_classes), 0 or 1, one-hot where a track has a single label; `preds` has
the same shape and holds scores or, where the metric's `needs` says so, labels. What is
undefined (a class without positives) is left out of a mean, never counted as zero, and
NaN where nothing is left. `METRICS` of a file says what a metric is and which way is
better; `single` and `multi` are the files of the two kinds of task.
"""
