"""Image files to pixels, in processes of their own: what an image does to a decoder ends that process.

It knows Pillow and sockets. It must not know torch, data sets, or who wants the pixels.

Public:

- `decoders`: DecoderPool
- `image`: BadImageError, Channels, DECODING_VERSION, decode_rgb
"""
