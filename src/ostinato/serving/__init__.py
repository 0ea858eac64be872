"""The released models and the catalog over HTTP, and a page to use them by; neither torch nor pandas."""
