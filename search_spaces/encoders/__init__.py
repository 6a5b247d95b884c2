"""Encoders that segmentation-models lacks; `search_spaces.architectures.encoder_decoders` gives them to its decoders."""
