"""Text: character and word language models, and many texts written at once."""
