import assert from "node:assert/strict";
import { test } from "node:test";
import { patched } from "../src/patched";
import { duration, folderState, memberState, size, summary } from "../src/words";

const MEMBER = { id: "D", name: "desktop", connected: true, in_sync: true, behind: 0, condition: "" };

function folder(changes = {}, ...devices) {
  return {
    id: "f",
    label: "notes",
    state: "idle",
    problem: "",
    awaiting_confirmation: false,
    entries: {},
    progress: { files_to_go: 0, bytes_to_go: 0, seconds_left: null },
    devices: devices.length > 0 ? devices : [MEMBER],
    ...changes,
  };
}

function status(...folders) {
  return { store: { problem: "", damaged: [] }, folders };
}

test("in sync is said where every connected device has everything, and nowhere else", () => {
  assert.equal(summary(status(folder())).mood, "good");
  const others = [
    folder({ state: "working" }),
    folder({ state: "scanning" }),
    folder({ state: "paused" }),
    folder({ state: "what is not known yet" }),
    folder({ awaiting_confirmation: true }),
    folder({ progress: { files_to_go: 1, bytes_to_go: 0, seconds_left: null } }),
    folder({ progress: { files_to_go: 0, bytes_to_go: 1, seconds_left: 3 } }),
    folder({}, { ...MEMBER, in_sync: false }),
    folder({}, { ...MEMBER, connected: false, in_sync: false }),
    folder({}, MEMBER, { ...MEMBER, id: "P", name: "pi", in_sync: false }),
    { ...folder(), devices: [] },
    folder({ problem: "the directory is away" }, { ...MEMBER, connected: false, in_sync: false }),
  ];
  for (const one of others) {
    for (const said of [summary(status(one)), summary(status(folder(), one)), folderState(one)]) {
      assert.notEqual(said.mood, "good", JSON.stringify(one));
      assert.doesNotMatch(said.text, /^in sync/i);
    }
  }
  assert.notEqual(summary(status()).mood, "good");
  assert.notEqual(summary({ ...status(folder()), store: { problem: "full", damaged: [] } }).mood, "good");
});

test("who is away is named, and the rest is in sync", () => {
  const said = summary(
    status(folder({}, MEMBER, { ...MEMBER, id: "P", name: "pi", connected: false, in_sync: false })),
  );
  assert.deepEqual(said, { mood: "good", text: "In sync with every connected device. Not connected: pi." });
});

test("a device is told of in a sentence", () => {
  const told = (changes, device = { last_seen: 1000 }) =>
    memberState({ ...MEMBER, ...changes }, device, 1000 + 7200).text;
  assert.equal(told({}), "has all of it");
  assert.equal(told({ in_sync: false, behind: 14 }), "14 files behind");
  assert.equal(told({ in_sync: false, behind: null }), "comparing");
  assert.equal(told({ in_sync: false, condition: "its disk is full", behind: 1 }), "its disk is full, 1 file behind");
  const away = { connected: false, in_sync: false, behind: null };
  assert.equal(told(away), "not connected, seen 2 h ago");
  assert.equal(told({ ...away, summary: "14 files behind" }), "14 files behind, seen 2 h ago");
  assert.equal(told(away, { last_seen: null }), "not connected, never seen");
  assert.equal(told(away, { last_seen: 1000, paused: true }), "paused by you");
});

test("an event makes what is shown worse at once, and never better", () => {
  const sync = { kind: "sync", folder: "f", device: "D", connected: true, in_sync: false, behind: 2, condition: "" };
  assert.equal(summary(patched(status(folder()), sync)).mood, "busy");
  const behind = status(folder({}, { ...MEMBER, in_sync: false }));
  assert.equal(patched(behind, { ...sync, in_sync: true, behind: 0 }), behind);
  const link = { kind: "link", device: "D", connected: false };
  assert.notEqual(summary(patched(status(folder()), link)).mood, "good");
  const state = {
    kind: "folder",
    change: "changed",
    folder: "f",
    state: "idle",
    problem: "",
    awaiting_confirmation: false,
  };
  assert.equal(summary(patched(status(folder()), { ...state, state: "working" })).mood, "busy");
  const paused = status(folder({ state: "paused" }));
  assert.equal(patched(paused, state), paused);
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
