"""How the sample sets in ``datasets/`` are made: one module a set, run from the repository root.

::

    npm pack @twemoji/svg@15.0.0
    python -m sample_sets.flat_icons twemoji-svg-15.0.0.tgz
    python -m sample_sets.mascot
    python -m sample_sets.mixed_material twemoji-svg-15.0.0.tgz

Each writes its folder anew, and the same bytes every time with the same library versions.
Twemoji's drawings need the extra ``make`` (``pip install -e '.[make]'``).
"""
