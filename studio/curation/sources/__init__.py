"""Where pictures come from: every source becomes a folder, and the rest of the studio reads folders.

A folder of pictures is taken as it is. Anything else is unpacked once into the user's cache, under
a name made of its content, and read from there ever after (`folder.as_folder`):

=============================  ==================================================================
``pictures.zip``               a folder, packed
``shards-{000..003}.tar``      WebDataset shards, or a folder packed; ``.tar.gz`` and ``.tgz`` too
``train.parquet``, ``.arrow``  a table with a column of pictures; or a folder of such tables
``saved/``                     what Hugging Face's ``Dataset.save_to_disk`` wrote
``hf:owner/name``              a dataset on the Hugging Face hub: ``hf:owner/name@revision:split``
``clips/``                     videos, GIFs and folders of frames, for a base that learns from clips
=============================  ==================================================================

Each kind is one file with a `source.Source`; what any of them may ask of the machine is in
`limits`. Pictures are written byte for byte as the source has them, never encoded anew.
"""
