#!/bin/sh
# CalibratedClassifierCV(method="temperature") takes labels for positions: with integer labels that do not begin at 0 the
# calibrated scores are flat, while the same data under the labels 0 and 1, or as text, are calibrated well.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check "scikit-learn==1.9.1" "numpy==2.4.6" "scipy==1.17.1"
"$work/env/bin/python" - <<'PY'
import sys

import numpy as np
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC

print(f"scikit-learn {sklearn.__version__}")
rng = np.random.default_rng(0)
y = np.arange(200) % 2
x = rng.normal(size=(200, 4)) + 3 * y[:, None]


def spread(labels):
    model = CalibratedClassifierCV(SVC(), method="temperature", cv=3).fit(x, labels)
    scores = model.predict_proba(x)
    beta = [c.calibrators[0].beta_ for c in model.calibrated_classifiers_]
    return float(np.ptp(scores[:, 1])), [float(f"{b:.3g}") for b in beta]


found = {str(pair): spread(np.array(pair)[y]) for pair in ([0, 1], [1, 2], ["a", "b"])}
for pair, (spread_, beta) in found.items():
    print(f"labels {pair}: scores range over {spread_:.4f}, inverse temperatures {beta}")
sys.exit(0 if found["[0, 1]"][0] > 0.9 and found["['a', 'b']"][0] > 0.9 and found["[1, 2]"][0] < 0.5 else 1)
PY
