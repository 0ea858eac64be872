"""Encoders that others have trained and published: read from their files, written as ONNX, kept in a cache folder."""
