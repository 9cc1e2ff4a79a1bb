"""The command `witnessmark`: one verb a module, each imported only when it is asked for.

Room: hall. `pyproject.toml` names `app.main`. The base install has the verbs of evidence; the others say which part they need. Nothing is
imported here: the core's process uses some of these modules and none of the libraries of a command line.
"""
