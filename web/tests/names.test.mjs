import assert from "node:assert/strict";
import { test } from "node:test";
import { decodePart, encodePart } from "../src/coding";
import { named, printable } from "../src/names";

// What `yp2p.printable` writes, too.
const SHOWN = {
  "plain.md": "plain.md",
  "a\x1b[31mred": "a\\x1b[31mred",
  "\u202egnp.exe": "\\u202egnp.exe",
  "zero\u200bwidth": "zero\\u200bwidth",
  "bad\udcff": "bad\\udcff",
  "new\nline\ttab": "new\\nline\\ttab",
  "\u{e0041}": "\\U000e0041",
  "שלום é e\u0301 \u200d": "שלום é e\u0301 \u200d",
};

test("hidden characters are written out, and nothing else", () => {
  for (const [name, shown] of Object.entries(SHOWN)) assert.equal(printable(name), shown);
});

test("a name in a sentence cannot end its own isolation", () => {
  const shown = named("\u2069\u202e evil");
  assert.equal(shown.indexOf("\u2069"), shown.length - 1);
  assert.ok(!shown.includes("\u202e"));
});

test("any file name survives the address", () => {
  for (const name of [...Object.keys(SHOWN), "a/b!c%2F#?&", "!dc80.", "!!", "\ud83d\ude00 \ud83d", "%", " "]) {
    const encoded = encodePart(name);
    assert.match(encoded, /^[^/#]*$/);
    assert.equal(decodePart(encoded), name);
  }
});

test("what somebody typed into the address breaks nothing", () => {
  assert.equal(decodePart("%E0%A4%A"), "");
});
