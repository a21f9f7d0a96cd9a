"""One file a page, each a function ``page()``."""
