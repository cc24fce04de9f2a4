"""Documents generated from the tables of imaging, errors, routes and settings; they add no facts of their own."""
