"""What each part of a method is worth: `python -m mmsearch.ablate`."""
