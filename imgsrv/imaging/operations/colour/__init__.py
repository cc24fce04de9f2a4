"""Operations that change colours and tones."""

CATEGORY = "colours and tones"

FIRST = ("tones",)

IS_SCALE_FREE = True
"""They work on each pixel by itself, so they do the same to a picture at any scale."""
