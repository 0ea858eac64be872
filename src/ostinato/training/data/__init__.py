"""What a training reads: sources, texts, images, numbers, labels and batches."""
