"""The studio without a terminal: pages in a browser. A leaf, and no logic of its own.

::

    server.py       the one process: Streamlit's app, our routes, who may come in
    app.py          what every visit runs first: the pages and the way between them
    here.py         what the pages work on: the runs, the queue, the desk
    views/          one file a page, each a function ``page()``
    parts/          pieces that several pages show

What takes longer than a moment is an errand (`studio.errands`) or a job of the queue (`studio.queue`); a
page only asks for it and shows how it stands. No torch in this process.
"""
