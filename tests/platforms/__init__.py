"""A stand-in for four platforms of photographs: a local server that speaks their formats, gives drawn pictures and fails as
told. For tests and for trying things out: what it gives are no photographs of anybody.
"""
