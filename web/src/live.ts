// What the page knows of the daemon, and whether it still knows it.
//
// Theory of operation: the events say *that* something happened, `/v1/status` says how things are. After each event
// that can change it the status is asked for again, a moment later, so that many events are one question; what an event
// says itself counts at once. While there is no stream of events, or the last question was not answered, nothing that is
// shown is known any more: `isKnown` is false then, and every view says so instead of "in sync". A tab that nobody sees
// asks for nothing, and takes the stream up again where it left it.

import { batch, computed, signal } from "@preact/signals";
import { get, happenings } from "./api";
import { patched } from "./patched";
import { session } from "./session";
import type { Happening, Status, Transfer } from "./answers";

export type Connection = "connecting" | "live" | "lost";

export const connection = signal<Connection>("connecting");
export const lostSince = signal(0);
export const status = signal<Status | null>(null);
/** Transfers change every second; they come with the events. */
export const transfers = signal<Transfer[]>([]);
/** What happened since the page was opened, the last one first. */
export const recent = signal<Happening[]>([]);
/** Seconds since 1970, for "2 h ago". */
export const now = signal(Date.now() / 1000);

/** Whether the last question for the status was answered. */
const isAnswered = signal(false);
/** Whether `status` is of now: the stream is there, and the status was asked for after it began. */
export const isKnown = computed(() => connection.value === "live" && isAnswered.value && status.value !== null);

const SETTLES_MS = 150;
const LEAST_BETWEEN_MS = 600;
const TRY_AGAIN_MS = 2_000;
const KEPT_HAPPENINGS = 200;
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5_000;
// Figures without events of their own (rates, what a scan has found) get no older than this while somebody looks.
const LOOKED_AT_MS = 15_000;
// Who looks at another tab for a moment keeps the stream.
const HIDDEN_MS = 5_000;

// Kinds of events that say nothing about `/v1/status`.
const WITHOUT_STATUS = new Set(["transfer"]);

type Listener = (event: Happening) => void;
const listeners = new Set<Listener>();

/** Calls `listener` for each event until what it returns is called. */
export function onHappening(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tick(): void {
  now.value = Date.now() / 1000;
}

let timer: ReturnType<typeof setTimeout> | undefined;
let askedAt = 0;
let asking: Promise<boolean> | null = null;
let isStale = false;

/** Ask for the status again, soon: many calls are one question. */
export function refresh(): void {
  if (timer !== undefined) return;
  const wait = Math.max(SETTLES_MS, askedAt + LEAST_BETWEEN_MS - Date.now());
  timer = setTimeout(() => {
    timer = undefined;
    void refreshNow();
  }, wait);
}

/** Ask for the status; what changed before this call is in it when it returns. Gives whether it was answered. */
export async function refreshNow(): Promise<boolean> {
  if (asking) {
    isStale = true;
    return asking;
  }
  asking = ask();
  try {
    return await asking;
  } finally {
    asking = null;
  }
}

async function ask(): Promise<boolean> {
  let found: Status;
  do {
    isStale = false;
    askedAt = Date.now();
    try {
      found = await get<Status>("/v1/status");
    } catch {
      isAnswered.value = false;
      if (connection.value === "live") setTimeout(refresh, TRY_AGAIN_MS);
      return false;
    }
  } while (isStale);
  batch(() => {
    status.value = found;
    transfers.value = found.transfers;
    isAnswered.value = true;
    tick();
  });
  return true;
}

let stream: AbortController | null = null;
let isOver = false;

/** Before the session is closed from here. */
export function endStream(): void {
  isOver = true;
  stream?.abort();
}

/** Follows the daemon for as long as the session is open. */
export async function follow(): Promise<void> {
  setInterval(tick, 10_000);
  setInterval(() => document.visibilityState === "visible" && connection.value === "live" && refresh(), LOOKED_AT_MS);
  let since: number | null = null;
  let pause = FIRST_PAUSE_MS;
  while (session.value === "open") {
    await untilSeen();
    const stop = new AbortController();
    stream = stop;
    const isSeen = stopWhenHidden(stop);
    try {
      for await (const event of happenings(since, stop)) {
        pause = FIRST_PAUSE_MS;
        since = event.id;
        await take(event);
      }
    } catch {
      // said by `connection`, for as long as it lasts
    }
    isSeen.forget();
    if (isOver || session.value !== "open") return;
    if (isSeen.wasHidden()) {
      connection.value = "connecting";
      continue;
    }
    if (connection.value !== "lost") {
      tick();
      lostSince.value = now.value;
      connection.value = "lost";
    }
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

function untilSeen(): Promise<void> {
  return new Promise((done) => {
    const look = (): void => {
      if (document.visibilityState !== "visible") return;
      document.removeEventListener("visibilitychange", look);
      done();
    };
    document.addEventListener("visibilitychange", look);
    look();
  });
}

function stopWhenHidden(stop: AbortController): { forget: () => void; wasHidden: () => boolean } {
  let wasHidden = false;
  let hidden: ReturnType<typeof setTimeout> | undefined;
  const look = (): void => {
    clearTimeout(hidden);
    if (document.visibilityState === "visible") return;
    hidden = setTimeout(() => {
      wasHidden = true;
      stop.abort();
    }, HIDDEN_MS);
  };
  document.addEventListener("visibilitychange", look);
  const forget = (): void => {
    clearTimeout(hidden);
    document.removeEventListener("visibilitychange", look);
  };
  return { forget, wasHidden: () => wasHidden };
}

async function take(event: Happening): Promise<void> {
  if (connection.value !== "live") {
    // What is shown as known is asked for after the stream began.
    if (!(await refreshNow())) throw new Error("the status was not answered");
    connection.value = "live";
  }
  if (event.kind === "transfer") takeTransfer(event);
  else recent.value = [event, ...recent.value].slice(0, KEPT_HAPPENINGS);
  if (status.value) status.value = patched(status.value, event);
  if (!WITHOUT_STATUS.has(event.kind)) refresh();
  for (const listener of [...listeners]) listener(event);
}

function takeTransfer(event: Happening): void {
  const { label, type, ended, ...rest } = event as unknown as Transfer & {
    label: string;
    type: string;
    ended: boolean;
  };
  const found = { ...rest, folder: label, kind: type } as Transfer;
  const others = transfers.value.filter((one) => key(one) !== key(found));
  transfers.value = ended ? others : [...others, found];
}

function key(transfer: Transfer): string {
  return JSON.stringify([transfer.device, transfer.folder, transfer.direction, transfer.kind, transfer.path]);
}
