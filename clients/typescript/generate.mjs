// Makes src/commands.ts of the commands' schemas and of reasons.json, or says whether it is up to date.
//
//     node generate.mjs [--check] [ROOT]
//
// ROOT is the checkout's folder; by default this file is in it. Node.js must find json-schema-to-typescript from here.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { compile } from "json-schema-to-typescript";

const check = process.argv.includes("--check");
const given = process.argv.slice(2).find((argument) => argument !== "--check");
const root = given ?? fileURLToPath(new URL("../..", import.meta.url));
const read = (...path) => readFileSync(join(root, ...path), "utf8");

const contexts = Object.entries(JSON.parse(read("clients/typescript/reasons.json")));
const output = join(root, "clients/typescript/src/commands.ts");

/** The schema of the command's newest version. Files are called `SubmitOrder.1.json`. */
function schemaOf(context, command) {
  const versions = readdirSync(join(root, "events/schemas", context))
    .map((name) => name.split("."))
    .filter(([name]) => name === command)
    .map(([, version]) => Number(version));
  if (versions.length === 0) throw new Error(`events/schemas/${context} has no schema of ${command}`);
  return JSON.parse(read("events/schemas", context, `${command}.${Math.max(...versions)}.json`));
}

/** One schema that has all commands, for what they have in common to be declared once. */
function together() {
  const schemas = contexts.flatMap(([context, { commands }]) =>
    commands.map((command) => [command, schemaOf(context, command)]),
  );
  const meanings = {};
  for (const [, { $defs = {} }] of schemas) {
    for (const [name, definition] of Object.entries($defs)) {
      (meanings[name] ??= new Set()).add(JSON.stringify(definition));
    }
  }
  const [properties, definitions] = [{}, {}];
  for (const [command, { $defs = {}, $schema: _, ...schema }] of schemas) {
    // Two contexts may mean different things by one name.
    const nameOf = (name) => (meanings[name].size > 1 ? `${command}${name}` : name);
    // By name, for a reference with a description of its own would become a type of its own.
    const named = (part) =>
      JSON.parse(JSON.stringify(part), (_, value) =>
        value?.$ref ? { description: value.description, tsType: nameOf(value.$ref.split("/").at(-1)) } : value,
      );
    for (const [name, definition] of Object.entries($defs)) definitions[nameOf(name)] = named(definition);
    // A type without members would take everything.
    if (Object.keys(schema.properties ?? {}).length === 0) schema.tsType = "Record<string, never>";
    properties[command] = named(schema);
  }
  return {
    title: "Commands",
    description: "The data of each command, by its type.",
    type: "object",
    additionalProperties: false,
    required: Object.keys(properties),
    properties,
    $defs: definitions,
  };
}

const union = (reasons) =>
  reasons.length ? reasons.map((reason) => `\n  | ${JSON.stringify(reason)}`).join("") : " never";
const typeOf = (context) => `${context[0].toUpperCase()}${context.slice(1)}Reason`;

const withCommands = contexts.filter(([, { commands }]) => commands.length > 0);
const reasons = withCommands.map(
  ([context, { reasons }]) =>
    `/** Why the context \`${context}\` refuses. */\nexport type ${typeOf(context)} =${union(reasons)};\n`,
);
const byCommand = withCommands.flatMap(([context, { commands }]) =>
  commands.map((name) => `  ${name}: ${typeOf(context)};\n`),
);

const types = await compile(together(), "Commands", {
  bannerComment: "// Made by generate.mjs of the commands' schemas and of reasons.json.",
  additionalProperties: false,
  unreachableDefinitions: true,
  // An array of at least one is hard to make with a tuple's type, and the server counts anyway.
  ignoreMinAndMaxItems: true,
  style: { printWidth: 120 },
});
// What it remarks on definitions that it believes to be unused.
const remark =
  /( \*\n)? \* This interface was referenced by `Commands`'s JSON-Schema\n \* via the `definition` "\w+"\.\n/g;
const made = `${types.replace(remark, "")}
${reasons.join("\n")}
/** Why a command may be refused by its context's rules, by its type. */
export interface Reasons {
${byCommand.join("")}}
`;

if (!check) {
  writeFileSync(output, made);
} else if (readFileSync(output, "utf8") !== made) {
  console.error(`${relative(root, output)} is not what the schemas say; run: node ${process.argv[1]} ${root}`);
  process.exitCode = 1;
}
