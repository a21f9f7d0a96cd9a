"""Work that takes longer than a page may: done by another process, so that every page stays quick.

::

    desk = Desk(Path("runs/.studio/errands"))
    errand = Errand("draw", {"adapters": [...], "prompts": ["a cat"]})
    desk.ask(errand)                     # returns at once; asked twice it is done once
    desk.standing(errand).state          # waiting, working, done, failed

There is one process for each lane (`studio.errands.kinds`), so that judging two thousand pictures does not
hold up a drawing. It ends by itself when it has had nothing to do for a while, or when whoever sits at
the desk is gone. Importing this imports no torch; the processes do.
"""

from studio.errands.desk import Desk
from studio.errands.errand import Errand, Standing

__all__ = ["Desk", "Errand", "Standing"]
