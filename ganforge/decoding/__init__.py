"""Images as files have them to pixels, in processes of their own: what an image does to a decoder ends that process."""
