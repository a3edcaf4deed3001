"""Private servers on loopback ports for tests, the torture machine and the benchmarks; nothing here imports pytest.

Every server is a class of one shape: ``Kind(folder, ...)``, then ``start()``, ``url``, ``kill()`` (SIGKILL),
``freeze()``/``thaw()`` (SIGSTOP, SIGCONT), ``restart()`` in place, ``stop()``; ``with Kind(folder) as server:`` starts
and stops. The pytest fixtures are in :mod:`tests.servers.fixtures`; ``python -m tests.servers`` starts one by hand.
"""
