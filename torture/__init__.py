"""The torture machine: many browsers against one store, everything they did recorded, and every promise judged.

``python -m torture run --store sqlite --operations 200000`` drives real managers over a real store; ``python -m torture
judge FILE`` judges a kept history again; ``python -m torture report`` writes what was measured into the documentation.
"""
