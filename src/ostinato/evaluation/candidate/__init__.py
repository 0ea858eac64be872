"""The figures of one candidate."""
