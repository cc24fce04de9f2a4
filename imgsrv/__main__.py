"""`python -m imgsrv` is the `imgsrv` command."""

from imgsrv.cli.main import main

if __name__ == "__main__":
    main()
