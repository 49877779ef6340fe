"""Planning: what keeps the plan of ten thousand subjects within 90 s (benchmarks/scale.txt)."""

import atexit
import gc
from functools import cache

from snakemake import sourcecache

# A plan is made of millions of small objects that live to its end. Python's rounds through all of
# them in search of garbage took a tenth of planning, and taking them down one by one a seventh.
gc.set_threshold(50_000, 10, 100_000)
atexit.register(gc.freeze)

# Three times a job Snakemake (9.27) takes the address of its script apart, and each time it makes a
# class for the answer: an eighth of planning.
if hasattr(sourcecache, "parse_uri"):
    sourcecache.parse_uri = cache(sourcecache.parse_uri)


onstart:
    # The plan is made; what comes and goes while jobs run is looked through as a program's should be.
    gc.set_threshold(50_000, 10, 10)
    # As long as Snakemake (9.27) limits starts, by default to 100 a second, it looks at all ready
    # jobs once a second for every job that has ended: of 24 subjects it took a fifth of a core.
    limit = workflow.scheduler.job_rate_limiter
    if limit is not None and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
