"""Measurements of steepest against other libraries; results and what they mean: RESULTS.md.

    python -m benchmarks            speed of training steps and of prediction
    python -m benchmarks.contraction    matrix products of many sizes
    python -m benchmarks.import_time    how long the import takes
    python -m benchmarks.tables         quality on real tables
    python -m benchmarks.fashion_mnist  time to accuracy on 60,000 images

`command.py` is the first one's command line, `workloads/` says what is timed (one file for each
family of networks) and `libraries/` how each library does it (one file each). `measure.py` brings
them together: worker processes (`remote.py`, `worker.py`), rounds (`timing.py`), tables and JSON
(`results.py`), against what the machine can do at most (`machine.py`).
"""
