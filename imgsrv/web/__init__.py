"""HTTP: connections, routes, parameters and answers.  Status codes are decided only here."""
