"""Sections of the page: a module and a template of one name; `page.ORDER` says where each stands.

A module has ``TITLE``, and ``section(material) -> dict | None``: what its template
shows, or None if it has nothing to say. ``<name>.css.j2`` beside it is put in the
page's head, if it is there.
"""
