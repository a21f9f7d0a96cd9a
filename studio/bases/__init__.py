"""Base models: found and named without torch (`identity`), loaded with it (`loading`)."""
