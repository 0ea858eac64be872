"""Countries, places and years of artists from open databases, filled into the tables of a dataset."""
