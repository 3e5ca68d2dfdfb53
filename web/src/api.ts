// Asks the daemon: JSON over HTTP, as docs/api.md has it. What goes wrong comes as a `Failure`, with a sentence.

import { isOurs, streaming } from "./proof";
import { authorization, close, session } from "./session";
import type { Happening } from "./answers";

/** What a person can be told of what did not work. */
export class Failure extends Error {
  constructor(
    readonly sentence: string,
    /** Nobody answered: it may work again by itself. */
    readonly isOffline = false,
    /** The HTTP status, where there was an answer. */
    readonly status = 0,
  ) {
    super(sentence);
  }
}

/** Any error as a sentence. */
export function sentence(error: unknown): string {
  return error instanceof Failure ? error.sentence : `This page has a fault: ${String(error)}`;
}

export async function get<T>(route: string): Promise<T> {
  return (await (await request(route, { method: "GET" })).json()) as T;
}

export async function post<T>(route: string, body: object = {}, signal?: AbortSignal): Promise<T> {
  const answer = await request(route, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });
  return (await answer.json()) as T;
}

async function request(route: string, init: RequestInit): Promise<Response> {
  if (session.value === "closed") throw new Failure("This page is closed.");
  let answer: Response;
  try {
    if (!(await isOurs())) throw new Failure("This page is closed.");
    answer = await fetch(route, { ...init, headers: { ...init.headers, ...authorization() }, cache: "no-store" });
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure("yp2p does not answer. This page tries again by itself.", true);
  }
  if (answer.ok) return answer;
  if (answer.status === 401) {
    close("yp2p does not know this page any more: it was started anew, or nobody used the page for a while.");
  }
  throw new Failure(await reason(answer), false, answer.status);
}

async function reason(answer: Response): Promise<string> {
  try {
    const { error } = (await answer.json()) as { error?: unknown };
    if (typeof error === "string" && error) return asSentence(error);
  } catch {
    // no JSON: only the status tells something
  }
  return `yp2p refused this (${answer.status}).`;
}

/** `file not found; look again` -> `File not found; look again.` A name at the front stays as it is. */
function asSentence(text: string): string {
  const first = /^[a-z]+ /.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

// The daemon sends a comment every 15 s: who hears nothing for so long has no connection any more.
const SILENT_MS = 40_000;

/**
 * What happens from now on, or from behind the event with the number `since`. Ends with an error.
 *
 * @param stop ends it.
 */
export async function* happenings(since: number | null, stop: AbortController): AsyncGenerator<Happening> {
  let timer = setTimeout(() => stop.abort(), SILENT_MS);
  let ended = (): void => {};
  try {
    const route = since === null ? "/v1/events" : `/v1/events?since=${since}`;
    const answer = await request(route, { method: "GET", signal: stop.signal });
    if (!answer.body) return;
    ended = streaming();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let buffered = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), SILENT_MS);
      const blocks = (buffered + value).split("\n\n");
      buffered = blocks.pop() ?? "";
      for (const block of blocks) {
        const data = block.split("\n").find((line) => line.startsWith("data:"));
        if (data) yield JSON.parse(data.slice(5)) as Happening;
      }
    }
  } finally {
    ended();
    clearTimeout(timer);
    stop.abort();
  }
}
