// Who this page is to the daemon: a token that it got for the code in its address, once.
//
// The code stands behind the # of the address, which no browser sends to anybody; it is good once and for a minute. The
// token is kept for this tab only (sessionStorage), and not in a cookie: those are shared by all ports of 127.0.0.1.

import { effect, signal } from "@preact/signals";

export type Session = "opening" | "open" | "closed";

const KEPT_AS = "yp2p-token";
const ONLY_LOOKS = "yp2p-only-looks";

export const session = signal<Session>("opening");
/** Whether anything can be changed, or only looked at. */
export const mayWrite = signal(true);
/** Why it is closed, in a sentence. */
export const closedBecause = signal("");

let token = "";

export function authorization(): Record<string, string> {
  return { Authorization: `Bearer ${token}` };
}

/** The token, for what cannot send a header: the WebSocket of the editor. */
export function currentToken(): string {
  return token;
}

/** Takes the code out of the address, or the token that this tab has. */
export async function open(): Promise<void> {
  const code = new URLSearchParams(location.hash.slice(1)).get("open");
  if (code !== null) {
    history.replaceState(null, "", `${location.pathname}#/`);
    await exchange(code);
    return;
  }
  resume("This address alone opens nothing.");
}

effect(() => {
  document.documentElement.classList.toggle("looks-only", !mayWrite.value);
});

/** Goes on with the token of this tab. */
function resume(otherwise: string): void {
  token = sessionStorage.getItem(KEPT_AS) ?? "";
  mayWrite.value = !sessionStorage.getItem(ONLY_LOOKS);
  if (token) session.value = "open";
  else close(otherwise);
}

async function exchange(code: string): Promise<void> {
  let answer: Response;
  try {
    answer = await fetch("/v1/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ code }),
    });
  } catch {
    close("yp2p does not answer at this address any more.");
    return;
  }
  if (!answer.ok) {
    resume("The code in this address was used already, or is too old.");
    return;
  }
  const given = (await answer.json()) as { token: string; may_write?: boolean };
  token = given.token;
  mayWrite.value = given.may_write !== false;
  sessionStorage.setItem(KEPT_AS, token);
  sessionStorage.setItem(ONLY_LOOKS, mayWrite.value ? "" : "1");
  session.value = "open";
}

/** Nothing can be asked any more. */
export function close(because: string): void {
  sessionStorage.removeItem(KEPT_AS);
  token = "";
  closedBecause.value = because;
  session.value = "closed";
}
