"""Encoders that segmentation-models lacks; `search_spaces.architectures.encoder_decoders` hands them to decoders."""
