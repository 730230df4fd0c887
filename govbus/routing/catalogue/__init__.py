"""The directory as others read it: DCAT-US catalogues, an AsyncAPI document, Open Data Contracts.

Pure functions from a `govbus.routing.directory.Directory` to plain values that JSON and YAML can hold, and back from
an Open Data Contract to the fields of an agreement.
"""
