"""Listening studies: blind comparisons of what two or three similarity spaces recommend, and their report."""
