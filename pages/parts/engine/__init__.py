"""Where jobs are computed: worker processes beside the server, the server itself, or a cluster.

Knows nothing of Streamlit nor of what is computed. A job is a generator function that can be imported by its name, and
plain values for it; what it yields, and what it returns, is plain too.
"""

from pages.parts.engine import process

process.settle()  # here, because whatever computes imports from this package first
