"""Operations that lay something over a picture."""

CATEGORY = "overlays"

FIRST = ("watermark", "text")
