"""Compare: runs and checkpoints side by side."""

from studio.dashboard.views.compare.page import page

__all__ = ["page"]
