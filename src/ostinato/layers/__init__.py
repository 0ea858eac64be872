"""Building blocks of networks: layers with TensorFlow's padding, base classes, initialisation, checks."""
