"""What is to be run: settings, documents as they are run, and when one is trained again."""
