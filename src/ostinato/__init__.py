"""Music understanding as one pipeline."""
