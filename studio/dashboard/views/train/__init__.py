"""Train: what runs, what waits, how it goes."""

from studio.dashboard.views.train.page import page

__all__ = ["page"]
