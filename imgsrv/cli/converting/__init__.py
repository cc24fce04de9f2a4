"""What `imgsrv convert` does: which file becomes which, and the processes that convert them."""
