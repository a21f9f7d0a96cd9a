"""Preview: what adapters do, beside the bare base."""

from studio.dashboard.views.preview.page import page

__all__ = ["page"]
