"""What other tools make of an adapter file, by the rules of their own sources: a verdict for each."""
