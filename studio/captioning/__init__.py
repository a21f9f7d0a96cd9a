"""Captions by a model that the user has on this machine. Only ever when asked for, and marked so."""
