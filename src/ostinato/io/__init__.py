"""Files: atomic writes, tables, archives, downloads and versions."""
