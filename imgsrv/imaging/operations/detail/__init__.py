"""Operations that change sharpness and texture."""

CATEGORY = "sharpness and texture"

FIRST = ("filters",)
