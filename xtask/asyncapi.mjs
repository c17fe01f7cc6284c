// Holds asyncapi.yaml against its own parser: whatever the parser says is an error. And each message has examples, which match
// the message's schema.
//
//     node asyncapi.mjs --packages NODE_MODULES FILE

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({ options: { packages: { type: "string" } }, allowPositionals: true });
const file = resolve(positionals[0]);

const installed = createRequire(join(resolve(values.packages), "here.js"));
const { Parser, DiagnosticSeverity } = installed("@asyncapi/parser");
// Those that the parser works with.
const brought = createRequire(installed.resolve("@asyncapi/parser"));
const Ajv = brought("ajv/dist/2020").default;
const addFormats = brought("ajv-formats").default;

const faults = [];

// The path is what references to other files are relative to.
const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"), { source: file });
for (const { code, message, path, severity, source, range } of diagnostics) {
  // The version is what tools know.
  if (code === "asyncapi-latest-version") continue;
  const place = `${source ?? file}:${range.start.line + 1}`;
  faults.push(`${place} ${DiagnosticSeverity[severity]} ${code} at ${path.join(".")}: ${message}`);
}

// Not strict: schemas of the parsed document have members that the parser has put in, and formats say how wide numbers are.
const ajv = new Ajv({ allErrors: true, strict: false, formats: { uint32: true, uint64: true } });
addFormats(ajv);

/** A function that gives what is wrong with a value. A schema that is absent takes nothing. */
function checker(schema) {
  if (!schema) return (value) => (value === undefined ? [] : ["there is no schema for it"]);
  const validate = ajv.compile(schema.json());
  return (value) => {
    if (validate(value)) return [];
    return validate.errors.map(({ instancePath, message }) => `${instancePath || "all of it"} ${message}`);
  };
}

let [messages, examples] = [0, 0];
for (const message of document?.messages() ?? []) {
  messages += 1;
  if (message.examples().isEmpty()) faults.push(`the message ${message.id()} has no example`);
  const parts = { payload: checker(message.payload()), headers: checker(message.headers()) };
  message.examples().all().forEach((example, index) => {
    examples += 1;
    for (const [part, check] of Object.entries(parts)) {
      const name = example.name() ?? index;
      for (const fault of check(example[part]())) {
        faults.push(`the message ${message.id()}, example ${name}, ${part}: ${fault}`);
      }
    }
  });
}

console.log(`${messages} messages with ${examples} examples`);
for (const fault of faults) console.error(fault);
if (!document || faults.length > 0) process.exitCode = 1;
