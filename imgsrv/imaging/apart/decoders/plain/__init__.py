"""Decoders of formats whose pixels are plain numbers or simple runs of them."""
