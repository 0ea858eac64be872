#!/bin/sh
# ONNX Runtime 1.17.3 runs opset 18, and refuses an opset-18 file for its IR version alone:
# onnx.helper.make_model stamps the newest IR version that the package knows unless told otherwise.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check "onnxruntime==1.17.3" "onnx==1.17.0" "numpy==1.26.4"
"$work/env/bin/python" - <<'PY'
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}")
value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value("x")], [value("y")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
print(f"make_model(opset 18) without ir_version: {model.ir_version}; least needed: "
      f"{helper.find_min_ir_version_for(model.opset_import)}")


def run(ir_version):
    model.ir_version = ir_version
    onnx.checker.check_model(model, full_check=True)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run(None, {"x": np.array([-1, 2], np.float32)})[0].tolist()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


results = {version: run(version) for version in (8, 9, 10)}
for version, result in results.items():
    print(f"opset 18, ir_version {version}: {result}")
same = results[8] == results[9] == [0.0, 2.0] and "Unsupported model IR version: 10" in str(results[10])
sys.exit(0 if same else 1)
PY
