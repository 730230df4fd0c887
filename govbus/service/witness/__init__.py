"""A witness of message logs, as a process, and the client that asks one for cosignatures (C2SP ``tlog-witness``)."""
