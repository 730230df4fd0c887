"""A schema registry with the REST interface of Confluent's, on the schemas that the directory publishes."""
