"""Data of a training: sources, texts, images, numbers, labels and batches."""
