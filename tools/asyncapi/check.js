// Runs the official AsyncAPI parser over one document and prints its diagnostics as JSON.
// Exit code 0: no diagnostic is an error; 1: one is; 2: the document cannot be read.
'use strict';

const fs = require('node:fs');
const { AvroSchemaParser } = require('@asyncapi/avro-schema-parser');
const { Parser } = require('@asyncapi/parser');

const SEVERITIES = ['error', 'warning', 'information', 'hint'];

// A check must not depend on servers of others: any Avro record stands in for what a document refers to elsewhere.
const STAND_IN = '{"type": "record", "name": "Elsewhere", "fields": []}';
const RESOLVERS = ['http', 'https'].map((schema) => ({
  schema,
  order: 1,
  canRead: true,
  read: () => STAND_IN,
}));

async function main(path) {
  const parser = new Parser({ __unstable: { resolver: { resolvers: RESOLVERS } } });
  parser.registerSchemaParser(AvroSchemaParser());
  const { diagnostics } = await parser.parse(fs.readFileSync(path, 'utf8'));
  const found = diagnostics.map(({ severity, code, message, path: place }) => ({
    severity: SEVERITIES[severity],
    code,
    message,
    path: place.join('.'),
  }));
  process.stdout.write(`${JSON.stringify(found)}\n`);
  return found.some(({ severity }) => severity === 'error') ? 1 : 0;
}

main(process.argv[2]).then(
  (code) => process.exit(code),
  (err) => {
    process.stderr.write(`${err.stack}\n`);
    process.exit(2);
  },
);
