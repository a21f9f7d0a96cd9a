"""Runs as somebody who watches sees them: what is new since the last look, nothing read twice. No torch."""
