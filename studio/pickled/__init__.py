"""Files of ``torch.save`` read as data: nothing that is in them is run."""
