// Verifies detached JWS with unencoded payload (RFC 7797) by the jose library, and says of each whether it holds.
// Reads a JSON list of {spki, alg, typ, jws, payload (base64)}; prints a JSON list of booleans.
// Exit code 0: every case was tried; 2: the list cannot be read, or a case is not one.
import fs from 'node:fs';
import { errors, flattenedVerify, importSPKI } from 'jose';

async function holds({ spki, alg, typ, jws, payload }) {
  const [header, middle, signature] = jws.split('.');
  if (middle !== '') throw new Error('expected a detached JWS');
  const key = await importSPKI(spki, alg);
  const octets = new Uint8Array(Buffer.from(payload, 'base64'));
  try {
    const { protectedHeader } = await flattenedVerify(
      { protected: header, payload: octets, signature },
      key,
      { algorithms: [alg], crit: { b64: true } },
    );
    return protectedHeader.typ === typ && protectedHeader.b64 === false;
  } catch (err) {
    if (err instanceof errors.JOSEError) return false;
    throw err;
  }
}

async function main(path) {
  const cases = JSON.parse(fs.readFileSync(path, 'utf8'));
  const found = await Promise.all(cases.map(holds));
  process.stdout.write(`${JSON.stringify(found)}\n`);
}

main(process.argv[2]).catch((err) => {
  process.stderr.write(`${err.stack}\n`);
  process.exit(2);
});
