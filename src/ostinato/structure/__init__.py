"""The structure of a song: tempo and beats, tuning, sections, and the seconds that represent it best."""

from ostinato.structure.analysis import Section, Structure, analyze, describe
from ostinato.structure.thumbnail import find_thumbnail, write_clip

__all__ = ["Section", "Structure", "analyze", "describe", "find_thumbnail", "write_clip"]
