"""Synthetic degradations: what photographs suffer, rendered from published models. Everything they make is called synthetic.

Images are float32 sRGB of shape (H, W, 3), 0 to 1; a result may leave the range a little. Randomness comes from the
generator passed in, so that one seed gives one picture.
"""
