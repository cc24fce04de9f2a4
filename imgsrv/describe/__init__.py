"""Views generated from the tables in imaging/, errors and config: nothing here says a fact of its own."""

import imgsrv.imaging.operations  # noqa: F401  fills the registry, which a view must never show empty
