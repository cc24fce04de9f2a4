"""HTTP: connections, routes, parameters, answers.  The only place that decides a status code."""
