"""Start: what this is, a first set to try, and where you left off."""

from studio.dashboard.views.start.page import page

__all__ = ["page"]
