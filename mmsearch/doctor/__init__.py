"""`python -m mmsearch.doctor`: finds what keeps machines from training, before anything starts.

What is found is plain data, made by small functions of plain facts (`machine`, `between`); asking
machines is apart: this one (`here`), others by ssh (`remote`), those of a running Ray (`cluster`).
"""
