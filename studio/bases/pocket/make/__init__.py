"""How `pocket` was made: emoji glyphs in, a small Stable Diffusion out.

Stages, each resumable: ``vae`` (autoencoder), ``clip`` and ``vision`` (tokenizer, text
encoder and vision tower), ``encode`` and ``unet`` (the denoiser, on latents of the first and text of
the second), ``export`` and ``report``. ``make pocket`` runs them in order.
"""
