"""One picture drawn two ways: with the adapter as the studio applies it, and as another reader does."""
