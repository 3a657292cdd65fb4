"""Find recurring actions in untrimmed videos without labels."""
