"""What stands behind `scripts/bench`: Tollgate measured next to what one would use instead.

    contenders, requests ─► servers ─► load ─► rounds ─► target/bench/*.json ─► report, plots

`cpu`, `contention` and `memory` each fill one JSON file; `report` and `plot` read nothing else.
"""
