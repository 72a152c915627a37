"""The composition root: the only place that knows which adapter stands behind which Protocol.

One module for each kind of process, so that a publisher imports no renderer: ``services`` (what all connect to),
``stores``, ``client``, ``worker``. Nothing here decides anything; settings go in, ready parts come out.
"""
