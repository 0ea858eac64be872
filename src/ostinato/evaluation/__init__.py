"""Evaluation of candidates: metrics, intervals, comparisons."""
