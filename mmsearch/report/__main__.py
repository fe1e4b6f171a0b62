"""`python -m mmsearch.report STUDY`: the door of the program, which lies in `look`.

Unusual: the one module of a room that imports from above, and that nothing imports.
"""

from mmsearch.look.options import report, run

if __name__ == "__main__":
    run(report, prog_name="python -m mmsearch.report")
