"""The demo of the whole mission: six scenes over the stand-ins, with the product as separate programs."""
