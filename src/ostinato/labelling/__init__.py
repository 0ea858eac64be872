"""Labels from people: tables of them, which tracks to label next, and what more labels would bring."""
