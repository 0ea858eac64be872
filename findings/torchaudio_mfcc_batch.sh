#!/usr/bin/env bash
# torchaudio.transforms.MFCC takes "(..., time)", and of a batch (batch, time) each row depends on the others: its decibels
# are cut off 80 dB below the loudest value of the whole batch. A quiet recording beside a loud one has the same
# coefficients in every frame. With a channel axis, (batch, 1, time), each row is what it is alone.
# Exits 0 while this is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 torchaudio==2.11.0 numpy==2.4.6 2> /dev/null
# the compiled part of this wheel needs CUDA, and MFCC does not need it
"$folder/env/bin/python" -c "import torchaudio" 2> /dev/null || rm "$folder"/env/lib/python3*/site-packages/torchaudio/lib/_torchaudio*.so
"$folder/env/bin/python" - <<'PY'
import math
import sys

import torch
import torchaudio

print(f"torch {torch.__version__}, torchaudio {torchaudio.__version__}")
rate = 22_050
quiet = 1e-4 * torch.randn(rate, generator=torch.Generator().manual_seed(0))
loud = torch.sin(2 * math.pi * 440 * torch.arange(rate) / rate)
mfcc = torchaudio.transforms.MFCC(rate, n_mfcc=13, melkwargs={"n_fft": 1024, "n_mels": 40})
alone = mfcc(quiet)
beside = mfcc(torch.stack([quiet, loud]))[0]
channel = mfcc(torch.stack([quiet, loud])[:, None])[0, 0]
for name, values in (("alone", alone), ("(batch, time) beside a loud one", beside), ("(batch, 1, time)", channel)):
    print(f"{name}: departs by {(values - alone).abs().max():.1f} at most, "
          f"standard deviation over time {values.std(dim=1).max():.2f} at most")
same = (beside - alone).abs().max() > 50 and beside.std(dim=1).max() == 0 and torch.equal(channel, alone)
sys.exit(0 if same else 1)
PY
