"""What a person without a terminal keeps: sets of pictures, decisions on them, recipes in the making.

All of it lies beside the runs, in ``runs/.studio``; the pictures themselves stay where they are, and are
only ever read. No torch.
"""
