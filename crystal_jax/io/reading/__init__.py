"""Crystals of any number of files, on all cores, whatever the files hold.

`items.find` lists what there is to read; `pool.read` has worker processes read
it, so that a parse that hangs or crashes costs its file only; what they leave
are `chunks`, a file each, that an interrupted run finds again. What is no
crystal of whole atoms is skipped, with its file, its id and the reason.
"""
