"""Features as ONNX nodes.

A module has ``graph(op, y, *, sample_rate, ...)``, which adds nodes to a `Builder`
and returns the name of the rows, (n_frames, n_bins); `y` names the mono waveform,
(n_samples,) at `sample_rate`, and the other keywords are those of the kind's
``compute``. A network whose kind has no twin is exported without ``tagger.onnx``.
"""
