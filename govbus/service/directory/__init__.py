"""The directory on a running bus: read from a folder, published, followed, copied, and watched for its expiry."""
