"""What pictures show, as numbers of a vision model that the user has: CLIP, SigLIP, DINO, ViT."""
