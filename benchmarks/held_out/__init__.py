"""Materials made by other means than those that the shipped classifier was taught with.

Nothing here shares code with ``studio.curation.material.make``: a detector trained on one simulator
partly learns the simulator, and only another one tells how much.
"""
