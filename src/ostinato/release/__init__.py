"""Judge candidates and change what is in service."""
