"""Small studies of recurrent networks: what they can learn, and why."""
