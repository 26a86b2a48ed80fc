"""Networks of a document, drawn or constructed, their losses and backpropagation, with JAX."""
