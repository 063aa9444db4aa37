"""What a trained run is worth: decoded to atoms, compared, written down."""
