import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url);

/** Bytes of all modules together, compressed: what it adds to a page. */
const MOST = 8000;

test(`all of it is below ${MOST} bytes, compressed`, () => {
  const modules = readdirSync(dist).filter((name) => name.endsWith(".js"));
  assert(modules.length > 5);
  const all = Buffer.concat(modules.map((name) => readFileSync(new URL(name, dist))));
  const { length } = gzipSync(all, { level: 9 });
  console.log(`${length} bytes compressed`);
  assert(length < MOST, `${length} bytes`);
});

test("nothing is imported from elsewhere", () => {
  for (const name of readdirSync(dist)) {
    const text = readFileSync(new URL(name, dist), "utf8");
    for (const [, from] of text.matchAll(/\bfrom "([^"]+)"/g)) assert.match(from ?? "", /^\.\//, name);
  }
});

test("no public type is `any`", () => {
  for (const name of readdirSync(dist).filter((name) => name.endsWith(".d.ts"))) {
    const code = readFileSync(new URL(name, dist), "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
    assert.doesNotMatch(code, /\bany\b/, name);
  }
});
