"""Features as ONNX nodes.

A module has ``graph(op, y, *, sample_rate, ...)``, which adds nodes to a `Builder`
and returns the name of the rows, (n_frames, n_bins); `y` is the name of the mono
waveform, (n_samples,) at `sample_rate`; the other keywords are those of the feature's
``compute``. A network whose feature has no twin is exported without ``tagger.onnx``.
"""
