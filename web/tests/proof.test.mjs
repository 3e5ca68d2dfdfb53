import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.document = { documentElement: { classList: { toggle() {} } } };
const kept = new Map();
globalThis.sessionStorage = {
  getItem: (name) => kept.get(name) ?? null,
  setItem: (name, text) => kept.set(name, text),
  removeItem: (name) => kept.delete(name),
};
globalThis.history = { replaceState() {} };
globalThis.location = { hash: "", pathname: "/" };
const { isOurs, proofOf, streaming } = await import("../src/proof");
const { get } = await import("../src/api");
const { closedBecause, open, session } = await import("../src/session");

const TOKEN = "a token of a tab";

async function opened() {
  kept.set("yp2p-token", TOKEN);
  await open();
  assert.equal(session.value, "open");
}

/** Whoever listens at the port; gives what was said to it. */
function listens(answer) {
  const heard = [];
  globalThis.fetch = async (route, init) => {
    heard.push([route, JSON.stringify(init)]);
    return answer(route, init);
  };
  return heard;
}

async function daemon(route, init) {
  if (route !== "/v1/session/proof") return new Response(JSON.stringify({ of: route }));
  return new Response(JSON.stringify({ proofs: ["other", await proofOf(TOKEN, JSON.parse(init.body).nonce)] }));
}

test("a proof is what the daemon makes of it, too", async () => {
  // tests/page/test_sessions.py has the same one
  assert.equal(await proofOf(TOKEN, "0123"), "eb0783037118f70fa25bc6f74f92975c2d859dc276f0f249e1b8e50b5d1bbb21");
});

test("who proves that it knows the token is asked, and is not shown the token for that", async () => {
  await opened();
  const heard = listens(daemon);
  assert.deepEqual(await get("/v1/status"), { of: "/v1/status" });
  assert.deepEqual(
    heard.map(([route]) => route),
    ["/v1/session/proof", "/v1/status"],
  );
  assert.ok(!heard[0][1].includes(TOKEN));
  assert.ok(heard[1][1].includes(TOKEN));
});

for (const [name, answer] of Object.entries({
  "no proof": () => new Response("{}"),
  "an old proof": async () => new Response(JSON.stringify({ proofs: [await proofOf(TOKEN, "before")] })),
  "no JSON": () => new Response("<!doctype html>"),
  "a refusal": () => new Response("{}", { status: 404 }),
}))
  test(`who answers with ${name} hears nothing more, and the page is closed`, async () => {
    await opened();
    const heard = listens(answer);
    await assert.rejects(get("/v1/status"));
    await assert.rejects(get("/v1/status"));
    assert.equal(heard.length, 1);
    assert.equal(session.value, "closed");
    assert.match(closedBecause.value, /does not know this page/);
  });

test("where nobody answers the page waits", async () => {
  await opened();
  listens(() => {
    throw new TypeError("Failed to fetch");
  });
  await assert.rejects(get("/v1/status"), { isOffline: true });
  assert.equal(session.value, "open");
});

test("while a stream is open nothing has to be proved", async () => {
  await opened();
  const heard = listens(daemon);
  const ended = streaming();
  assert.ok(await isOurs());
  assert.equal(heard.length, 0);
  ended();
  assert.ok(await isOurs());
  assert.equal(heard.length, 1);
});
