// node check.mjs SDK BASE_URL: runs checks of one SDK, unmodified, against the server at BASE_URL. It reads their names
// from stdin, one a line, and answers each with a line of JSON: {"check": NAME, "error": null or what went wrong}.
import { createInterface } from 'node:readline';
import { inspect } from 'node:util';

const [sdk, base] = process.argv.slice(2);
const checks = await import(`./${sdk}.mjs`);

for await (const check of createInterface({ input: process.stdin })) {
  let error = null;
  try {
    if (!checks[check]) throw new Error(`no such check: ${Object.keys(checks).join(', ')}`);
    await checks[check](base);
  } catch (e) {
    error = inspect(e);
  }
  console.log(JSON.stringify({ check, error }));
}
