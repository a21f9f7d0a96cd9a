"""How `pocket` was made: emoji glyphs in, a small Stable Diffusion out.

Four stages, each resumable and each with its own file:

``vae`` (autoencoder) -> ``decoder`` (decoder alone, latents fixed)
``clip`` (text encoder and vision tower, contrastive)
``unet`` (denoiser with EMA, on latents of the first and text of the third)

``python -m studio.bases.pocket.make --help`` lists the stages; `make pocket` runs them in order.
"""
