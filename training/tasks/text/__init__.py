"""Language models, trained on running text."""
