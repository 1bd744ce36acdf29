"""Raw text to tensors, all of it in the TensorFlow graph."""
