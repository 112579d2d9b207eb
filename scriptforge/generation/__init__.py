"""Text from a trained model: `generate` writes whole texts, `stream` yields one as it is written."""
