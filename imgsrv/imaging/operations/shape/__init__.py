"""Operations that change size and shape."""
