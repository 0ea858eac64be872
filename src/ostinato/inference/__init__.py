"""Apply released models to files: NumPy, decoders and ONNX Runtime; neither torch nor pandas."""
