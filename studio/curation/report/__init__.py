"""What curation found, as one self-contained page: verdict, what to do, the set, every picture."""

from studio.curation.report.page import write_html

__all__ = ["write_html"]
