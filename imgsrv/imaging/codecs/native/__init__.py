"""imgsrv's own decoders, compiled from `native/`; the libraries lie in this folder."""
