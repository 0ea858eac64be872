"""Labels from people: tables, agreement, tracks to label next, and learning curves."""
