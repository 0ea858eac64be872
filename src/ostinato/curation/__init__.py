"""Curation of a dataset: from a list of tracks to an inventory with measurements and splits."""
