"""Published encoders: read from their files, converted to ONNX, and cached."""
