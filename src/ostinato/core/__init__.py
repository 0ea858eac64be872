"""Foundations: plugins, params.yaml, paths, tasks, scores and chunks."""
