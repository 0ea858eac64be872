"""Read and write files: whole or not at all, tables, archives, downloads."""
