"""The trainer plugins that ship with the studio, one folder each."""
