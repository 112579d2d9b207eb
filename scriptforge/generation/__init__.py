"""Text from a trained model: `generate` returns whole texts, `stream` yields one as it is written."""
