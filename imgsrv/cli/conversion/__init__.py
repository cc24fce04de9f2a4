"""What `imgsrv convert` does; its arguments are in imgsrv/cli/convert.py."""
