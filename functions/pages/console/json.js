// JSON with places: where in a text each value is.
//
// For what JSON.parse does not do. It names line and column of a fault; it leads from a JSON pointer to the value in
// the editor; and it lays a text out anew without touching its numbers, of which JSON.parse would change the long ones.

/** Why a text is not JSON. `offset` is where. */
export class Fault extends Error {
  constructor(message, offset) {
    super(message);
    this.offset = offset;
  }
}

/**
 * Reads a text into a tree of nodes: `{kind: "object" | "array" | "scalar", start, end}`, an object or array with
 * `members: [{key, label, node}]`, where `label` is the key as it is written. Throws a Fault.
 */
export function read(text) {
  const reader = new Reader(text);
  const tree = reader.value(0);
  if (reader.peek() !== undefined) reader.fail("nothing more is expected after the end");
  return tree;
}

/** The same JSON, indented. Throws a Fault. */
export function layOut(text) {
  return laidOut(text, read(text), "");
}

/** The node that a JSON pointer (RFC 6901) leads to, or the last one on the way if the rest is not there. */
export function find(tree, pointer) {
  const keys = pointer.split("/").slice(1).map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  let node = tree;
  for (const key of keys) {
    const member = node.members?.find((member) => member.key === key);
    if (!member) break;
    node = member.node;
  }
  return node;
}

/** Line and column of an offset, as people count: from 1. */
export function position(text, offset) {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;
const MOST_LEVELS = 500;

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  fail(message) {
    throw new Fault(message, this.at);
  }

  /** Takes what the pattern matches here, if it does. */
  take(pattern) {
    pattern.lastIndex = this.at;
    const taken = pattern.exec(this.text)?.[0];
    this.at += taken?.length ?? 0;
    return taken;
  }

  peek() {
    this.take(SPACE);
    return this.text[this.at];
  }

  expect(character, where) {
    if (this.peek() !== character) this.fail(`“${character}” is expected ${where}`);
    this.at += 1;
  }

  value(level) {
    if (level > MOST_LEVELS) this.fail("it is nested too deep");
    const next = this.peek();
    const start = this.at;
    if (next === "{") return this.list("object", "}", level, start);
    if (next === "[") return this.list("array", "]", level, start);
    if (next === '"') this.string();
    else if (next === undefined) this.fail("the text ends where a value is expected");
    else if (!this.take(SCALAR)) this.fail("no object, array, string, number, true, false or null begins here");
    return { kind: "scalar", start, end: this.at };
  }

  string() {
    return this.take(STRING) ?? this.fail("the string does not end on its line, or has a wrong escape in it");
  }

  list(kind, close, level, start) {
    const members = [];
    const keys = new Set();
    this.at += 1;
    while (this.peek() !== close) {
      if (members.length > 0) this.expect(",", `or “${close}”`);
      members.push(kind === "object" ? this.member(level, keys) : this.item(level, members.length));
    }
    this.at += 1;
    return { kind, start, end: this.at, members };
  }

  item(level, index) {
    return { key: String(index), label: "", node: this.value(level + 1) };
  }

  member(level, keys) {
    if (this.peek() !== '"') this.fail("a member's name in quotation marks is expected");
    const start = this.at;
    const label = this.string();
    const key = JSON.parse(label);
    if (keys.has(key)) {
      this.at = start;
      this.fail(`the member ${label} is there twice`);
    }
    keys.add(key);
    this.expect(":", "after a member's name");
    return { key, label, node: this.value(level + 1) };
  }
}

function laidOut(text, node, indent) {
  if (node.kind === "scalar") return text.slice(node.start, node.end);
  const [open, close] = node.kind === "object" ? "{}" : "[]";
  if (node.members.length === 0) return open + close;
  const inner = `${indent}  `;
  const lines = node.members.map(
    (member) => `${inner}${member.label}${member.label && ": "}${laidOut(text, member.node, inner)}`,
  );
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}
