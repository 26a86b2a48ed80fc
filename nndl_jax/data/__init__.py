"""Images and labels: read, checked at the door, and chosen as a document asks; NumPy alone."""
