"""Listening histories: plays, factors of listeners and tracks, factors from sound, and a blend of both."""
