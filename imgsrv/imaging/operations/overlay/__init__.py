"""Operations that lay something on a picture."""
