"""govbus: message bus and document-flow middleware for government agencies on Apache Kafka."""

__version__ = "0.1.0"
__all__ = ["__version__"]
