"""Similarity spaces: queries, rankings, neighbourhoods and clusters."""
