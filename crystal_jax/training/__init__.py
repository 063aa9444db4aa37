"""Training: one loop for the VAE, the U-Net and both together."""
