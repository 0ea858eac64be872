"""Metrics: functions of (preds, target), one module per kind of task.

All metrics take keyword arguments only. Each is implemented once, by `replicates.metric_of`,
as a function of many replicates; all tracks are a single replicate. `target` is
(n_tracks, n_classes), 0 or 1, one-hot for single labels; `preds` has the same shape and
contains scores or, if `Metric.needs` is ``"labels"``, labels. Undefined values (of a class
without positives) are left out of means, never counted as zero; a mean of nothing is NaN.
`METRICS` of the modules `single`, `multi` and `embedding` lists the metrics of each kind of
task and whether higher is better.
"""
