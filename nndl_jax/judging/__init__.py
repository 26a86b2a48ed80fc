"""Whether what was measured agrees with what the book prints."""
