"""Music understanding as one pipeline."""

import os

# unless this stands before it is imported, ONNX Runtime numbers the machine and reports to its maker
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
