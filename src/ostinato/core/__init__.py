"""What everything else stands on: plugins, params.yaml, paths, tasks, scores and chunks."""
