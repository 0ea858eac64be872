#!/bin/sh
# torch.onnx.export(dynamo=True, opset_version=16) returns a model of opset 18, without raising: the wish is dropped, in the log alone.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check --extra-index-url https://download.pytorch.org/whl/cpu \
  "torch==2.13.0" "onnx==1.23.2" "onnxscript==0.7.2"
"$work/env/bin/python" - <<'PY' 2>"$work/log"
import sys

import onnx
import torch


class Pool(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x).mean(dim=(2, 3))


print(f"torch {torch.__version__}, onnx {onnx.__version__}")
written = {}
for asked in (16, 17, 18, 19):
    program = torch.onnx.export(Pool(), (torch.randn(2, 1, 4, 4),), dynamo=True, opset_version=asked, verbose=False)
    written[asked] = program.model_proto.opset_import[0].version
    print(f"asked for opset {asked}: opset {written[asked]} is written")
sys.exit(0 if written == {16: 18, 17: 18, 18: 18, 19: 19} else 1)
PY
