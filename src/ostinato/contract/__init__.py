"""What training, judgement, export and service must agree on: tasks, scores, chunks, stacks."""
