"""Operations that change colours and tones."""

CATEGORY = "colours and tones"

FIRST = ("tones",)
