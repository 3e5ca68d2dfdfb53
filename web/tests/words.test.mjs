import assert from "node:assert/strict";
import { test } from "node:test";
import { patched } from "../src/patched";
import { described, duration, memberState, size } from "../src/words";

const GOOD = { mood: "good", summary: "has all of it" };
const MEMBER = { id: "D", name: "desktop", connected: true, in_sync: true, behind: 0, condition: "", ...GOOD };

function folder(changes = {}, ...devices) {
  return {
    id: "f",
    state: "idle",
    problem: "",
    awaiting_confirmation: false,
    mood: "good",
    summary: "in sync with desktop",
    devices: devices.length > 0 ? devices : [MEMBER],
    ...changes,
  };
}

function status(...folders) {
  return { mood: "good", summary: "In sync: all folders are the same on all devices.", folders };
}

test("what the daemon says is said, and nothing of it while nothing is known", () => {
  assert.deepEqual(described(GOOD, true), { mood: "good", text: "has all of it" });
  assert.deepEqual(described(GOOD, false), { mood: "unknown", text: "not known now" });
  assert.deepEqual(memberState(MEMBER, undefined, 0, false), { mood: "unknown", text: "not known now" });
  assert.equal(described({ mood: "look", summary: "a\u202eb" }, true).text, "a\\u202eb");
});

test("of a device that is away it is said when it was seen", () => {
  const away = { ...MEMBER, connected: false, in_sync: false, mood: "away", summary: "14 files behind" };
  const told = (device) => memberState(away, device, 1000 + 7200, true).text;
  assert.equal(told({ last_seen: 1000 }), "14 files behind, seen 2 h ago");
  assert.equal(told({ last_seen: null }), "14 files behind, never seen");
  assert.equal(told({ last_seen: 1000, paused: true }), "paused by you");
  assert.match(
    told({ last_seen: 1000, paused: true, paused_until: 90000 }),
    /^paused by you until 1970-01-0\d \d\d:\d\d$/,
  );
  assert.equal(memberState(MEMBER, { last_seen: 1000 }, 8200, true).text, "has all of it");
});

test("an event makes what is shown worse at once, and never better", () => {
  const sync = { kind: "sync", folder: "f", device: "D", connected: true, in_sync: false, behind: 2, condition: "" };
  const link = { kind: "link", device: "D", connected: false };
  const state = { kind: "folder", change: "changed", folder: "f", state: "idle", problem: "" };
  const working = { ...state, state: "working", awaiting_confirmation: false };
  const others = folder({ id: "g" }, { ...MEMBER, id: "P" });
  for (const event of [sync, link, working]) {
    const after = patched(status(folder(), others), event);
    assert.equal(after.mood, "busy", event.kind);
    assert.doesNotMatch(after.summary, /^In sync/);
    assert.equal(after.folders[0].mood, "busy");
    assert.doesNotMatch(after.folders[0].summary, /^in sync/);
    assert.equal(after.folders[1], others);
    assert.equal(after.folders[0].devices[0].mood, event === working ? "good" : "busy");
  }
  const before = { ...status(folder()), mood: "away", summary: "In sync with every connected device." };
  assert.equal(patched(before, sync).mood, "busy");
});

test("what waits for a person is to be looked at as soon as an event says so", () => {
  const paused = { kind: "folder", change: "changed", folder: "f", state: "paused", problem: "many files went" };
  for (const mood of ["good", "away", "busy"]) {
    const before = { ...status(folder({ mood })), mood };
    const after = patched(before, { ...paused, awaiting_confirmation: true });
    assert.deepEqual([after.mood, after.folders[0].mood], ["look", "look"]);
  }
});

test("an event that makes nothing worse leaves what is said", () => {
  const sync = { kind: "sync", folder: "f", device: "D", connected: true, in_sync: true, behind: 0, condition: "" };
  const paused = { ...status(folder({ state: "paused", mood: "look", summary: "paused by you" })), mood: "look" };
  assert.equal(patched(paused, sync), paused);
  const state = { kind: "folder", change: "changed", folder: "f", state: "idle", problem: "" };
  assert.equal(patched(paused, state), paused);
  assert.equal(patched(paused, { kind: "link", device: "nobody", connected: false }), paused);
  const worse = patched(paused, { ...sync, in_sync: false });
  assert.deepEqual([worse.mood, worse.folders[0].summary], ["look", "paused by you"]);
});

test("sizes and times are as people say them", () => {
  assert.deepEqual([0, 1, 1023, 1024, 10_240, 1_048_576].map(size), [
    "0 bytes",
    "1 byte",
    "1,023 bytes",
    "1.0 KiB",
    "10 KiB",
    "1.0 MiB",
  ]);
  assert.deepEqual([0, 59, 90, 7200, 200_000].map(duration), ["1 s", "59 s", "2 min", "2 h", "2 days"]);
});
