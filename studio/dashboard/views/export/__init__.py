"""Export: an adapter in files that other tools read."""

from studio.dashboard.views.export.page import page

__all__ = ["page"]
