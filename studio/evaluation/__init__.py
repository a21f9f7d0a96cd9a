"""Does the adapter work? Style, prompt following, effect and copying, against the bare base."""
