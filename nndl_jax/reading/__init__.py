"""From texts and files to records and arrays, or one sentence for each fault; knows no book."""
