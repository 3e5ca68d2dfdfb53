// What the page knows of the daemon, and whether it still knows it.
//
// Theory of operation: the events say *that* something happened, `/v1/status` says how things are. After each event
// that can change it the status is asked for again, a moment later, so that many events are one question. While there is no stream of events
// nothing that is shown is known any more: `isKnown` is false then, and every view says so instead of "in sync".

import { computed, signal } from "@preact/signals";
import { Failure, get, happenings } from "./api";
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

/** Whether `status` is of now: the stream is there and the status was asked for after it began. */
export const isKnown = computed(() => connection.value === "live" && status.value !== null);

const SETTLES_MS = 150;
const LEAST_BETWEEN_MS = 700;
const KEPT_HAPPENINGS = 200;
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5_000;
// Figures without events of their own (rates, what a scan has found) get no older than this while somebody looks.
const LOOKED_AT_MS = 15_000;

// Kinds of events that say nothing about `/v1/status`.
const WITHOUT_STATUS = new Set(["transfer"]);

type Listener = (event: Happening) => void;
const listeners = new Set<Listener>();

/** Calls `listener` for each event until what it returns is called. */
export function onHappening(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

let timer: ReturnType<typeof setTimeout> | undefined;
let askedAt = 0;
let asking: Promise<void> | null = null;
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

/** Ask for the status; what changed before this call is in it when it returns. */
export async function refreshNow(): Promise<void> {
  if (asking) {
    isStale = true;
    return asking;
  }
  asking = ask();
  try {
    await asking;
  } finally {
    asking = null;
  }
}

async function ask(): Promise<void> {
  do {
    isStale = false;
    askedAt = Date.now();
    try {
      const found = await get<Status>("/v1/status");
      status.value = found;
      transfers.value = found.transfers;
      now.value = Date.now() / 1000;
    } catch (error) {
      if (error instanceof Failure) return; // the stream of events ends as well, and says so
      throw error;
    }
  } while (isStale);
}

/** Follows the daemon for as long as the session is open. */
export async function follow(): Promise<void> {
  setInterval(() => (now.value = Date.now() / 1000), 10_000);
  setInterval(() => document.visibilityState === "visible" && connection.value === "live" && refresh(), LOOKED_AT_MS);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());
  let since: number | null = null;
  let pause = FIRST_PAUSE_MS;
  while (session.value === "open") {
    try {
      for await (const event of happenings(since)) {
        pause = FIRST_PAUSE_MS;
        since = event.id;
        await take(event);
      }
    } catch {
      // said by `connection`, for as long as it lasts
    }
    if (session.value !== "open") return;
    if (connection.value !== "lost") {
      connection.value = "lost";
      lostSince.value = Date.now() / 1000;
    }
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

async function take(event: Happening): Promise<void> {
  if (connection.value !== "live") {
    await refreshNow(); // what is shown as known is asked for after the stream began
    connection.value = "live";
  }
  if (event.kind === "daemon" && event["state"] === "stopping") return;
  if (event.kind === "transfer") takeTransfer(event);
  else recent.value = [event, ...recent.value].slice(0, KEPT_HAPPENINGS);
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
