"""Building blocks of networks: layers with TensorFlow's paddings, base classes, initialisation, checks."""
