// Whether who answers at this address is the daemon that opened this page.
//
// Theory of operation: when the port of the page has closed, any user of this machine can listen at its number, and a
// tab that was left open would speak with him. So before anything is sent there, and before each connection of an
// editor, whoever answers is asked for a proof: an HMAC over a number of the moment, which only who knows the token of
// this tab can make. The token itself is not shown for that. While the stream of events is open the port has not closed
// since it began, and nothing has to be proved. Any answer but a proof closes the page; no answer closes nothing.

import { close, currentToken, session } from "./session";

const NONCE_BYTES = 32;
const FOR = "yp2p page: ";

let streams = 0;

/** A stream of the daemon is open from now on; gives what to call when it is not any more. */
export function streaming(): () => void {
  streams += 1;
  return () => {
    streams -= 1;
  };
}

/** What the daemon answers where it knows this token: it keeps the digest of a token, which is the key. */
export async function proofOf(token: string, nonce: string): Promise<string> {
  const bytes = new TextEncoder();
  const secret = await crypto.subtle.digest("SHA-256", bytes.encode(token));
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return hex(new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes.encode(FOR + nonce))));
}

/**
 * Whether it is our daemon that answers; if it is not, the page is closed.
 *
 * @throws whatever `fetch` throws where nobody answers.
 */
export async function isOurs(): Promise<boolean> {
  if (streams > 0) return true;
  const nonce = hex(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
  const wanted = await proofOf(currentToken(), nonce);
  const answer = await fetch("/v1/session/proof", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ nonce }),
    cache: "no-store",
  });
  const proofs = proofsIn(await answer.text());
  if (session.value === "closed") return false;
  if (proofs.includes(wanted)) return true;
  close("yp2p does not know this page any more: it was started anew, or nobody used the page for a while.");
  return false;
}

function proofsIn(text: string): unknown[] {
  try {
    const { proofs } = JSON.parse(text) as { proofs?: unknown };
    return Array.isArray(proofs) ? proofs : [];
  } catch {
    return [];
  }
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
