"""The pages for browsers: HTML, scripts and styles as files of the package, and the routes that serve them.

`common/` has what all pages share, and each page has a folder of its own beside it.  Nothing is built or fetched.
"""
