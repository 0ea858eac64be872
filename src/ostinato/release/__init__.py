"""Evaluate candidates against the gate, and release or roll back models."""
