"""Operations that change sharpness and texture."""
