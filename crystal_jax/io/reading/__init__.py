"""Reading of many files in worker processes.

`listing.list_items` lists the items of files and folders; `pool.isolated_map`
parses them in worker processes with limits of time and memory, so that a file
that hangs or crashes its parser costs itself only. `crystals.read_crystals`
yields the crystals; `shards` keeps them in files, which an interrupted
`prepare` finds again. An item that holds no crystal of whole atoms is a `Skip`
with its file, its id and the reason.
"""
