"""Applications with limiters of their own, each a server's `module:application`, and one for Node. Python's run in an environment of
their own, `target/bench/venv`, so nothing here imports what is not in `bench/requirements*.txt`."""
