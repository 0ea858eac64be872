"""The exception root: every error a user can fix is an `OstinatoError`."""


class OstinatoError(Exception):
    """Something the user gave cannot be used; the message names it and what to do."""


class ParamsError(OstinatoError):
    """A key or value of params.yaml cannot be used."""


class DataError(OstinatoError):
    """A file or table of the dataset cannot be used."""


class ReadError(DataError):
    """A file cannot be read at this moment, which says nothing of what it holds."""


class ChangedError(ReadError):
    """A file holds other bytes than those that were measured."""


class CatalogError(OstinatoError):
    """A catalog, a seed or a wish cannot be used for a recommendation."""


class GraphError(OstinatoError):
    """A graph of artists cannot be used."""
