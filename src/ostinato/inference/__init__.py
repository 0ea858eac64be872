"""From a file to what a released model says of it: NumPy, decoders and ONNX Runtime; neither torch nor pandas."""
