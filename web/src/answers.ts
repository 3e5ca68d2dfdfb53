// What the local API answers, as far as the page uses it. docs/api.md has all of it.

import type { Mood } from "./words";

/** How something is: the sentence of the daemon, and what it looks like. */
export interface Described {
  summary: string;
  mood: Mood;
}

export interface Member extends Described {
  id: string;
  name: string;
  connected: boolean;
  in_sync: boolean;
  behind: number | null;
  condition: string;
  last_seen?: number | null;
}

export interface Listed {
  path: string;
  reason: string;
}

export interface PurgeRequest {
  number: number;
  device: string;
  paths: string[];
  is_own: boolean;
  answer: string | null;
  done_in_s: number | null;
}

export interface Folder extends Described {
  id: string;
  label: string;
  path: string;
  state: string;
  /** Whether somebody paused it; it may be paused for other reasons as well. */
  paused: boolean;
  /** When that ends by itself. */
  paused_until: number | null;
  problem: string;
  is_reader: boolean;
  chosen: string[];
  local_changes: { path: string; change: string }[];
  rules_waiting: string;
  awaiting_confirmation: boolean;
  entries: {
    total: number;
    here: number;
    to_fetch: number;
    bytes_to_fetch: number;
    not_synced: number;
    waiting: number;
    ignored: number;
    not_here: number;
    leaving: number;
    conflicts: number;
    places_to_settle: number;
  };
  progress: {
    files_to_go: number;
    bytes_to_go: number;
    files_per_s: number;
    bytes_per_s: number;
    seconds_left: number | null;
  };
  notices: Record<string, number>;
  not_synced: Listed[];
  waiting: Listed[];
  conflicts: string[];
  quarantined: { path: string | null; document: string; device: string; retry_in_s: number }[];
  devices: Member[];
  presence: { device: string; id: string; open: string[] }[];
  scrub?: { damaged: { path: string; at: number }[] };
  purges: PurgeRequest[];
}

export interface LinkedDevice {
  id: string;
  name: string;
  connected: boolean;
  reason: string;
  paused: boolean;
  /** When that ends by itself. */
  paused_until: number | null;
  version: string;
  last_seen: number | null;
  address: string | null;
  last_error: string;
  faults: number;
}

export interface Transfer {
  device: string;
  folder: string;
  direction: "sending" | "receiving";
  path: string;
  kind: "texts" | "files";
  files: number;
  bytes_done: number;
  bytes_total: number | null;
  bytes_per_s: number;
  seconds_left: number | null;
}

export interface ReceivedOffer {
  label: string;
  role: string;
  decision: "none" | "accept";
  path: string;
  problem: string;
  device: string;
  name: string;
}

export interface Status extends Described {
  version: string;
  store: { problem: string; damaged: string[] };
  device: { id: string; key: string; name: string; port: number; missing_addresses: string[]; files_wait: boolean };
  machine: string[];
  settings: { setting: string; problem: string }[];
  devices: LinkedDevice[];
  folders: Folder[];
  offers: { made: unknown[]; received: ReceivedOffer[] };
  transfers: Transfer[];
}

export interface Notice {
  number: number;
  folder: string;
  at: number;
  kind: string;
  path: string;
  text: string;
  can_be_brought_back: boolean;
  can_be_settled: boolean;
}

export interface KnownDevice {
  id: string;
  name: string;
  is_this_device: boolean;
  connected: boolean;
  reason: string;
  paused: boolean;
  /** When that ends by itself. */
  paused_until: number | null;
  address: string | null;
  version: string;
  last_seen: number | null;
  known_since: number | null;
  folders: {
    folder: string;
    id: string;
    role: string;
    let_in_by?: string | null;
    removed_by?: string[];
    in_sync?: boolean;
    behind?: number | null;
    condition?: string;
    summary?: string;
    mood?: Mood;
  }[];
}

export type Happening = { kind: string; id: number; at: number } & Record<string, unknown>;
