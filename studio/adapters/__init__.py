"""Adapter files: formats, header, reading with care, and verifying what was written."""
