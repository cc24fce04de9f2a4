"""Load for a server, closed and open: for `imgsrv bench` and for bench/.  Knows HTTP and clocks, and no picture."""
