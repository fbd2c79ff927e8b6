"""A stand-in for four providers: one local HTTP server that speaks their wire formats and fails as told."""
