// Numbers, sizes and times as people say them. How things are is said by the daemon (yp2p/sentences.py): the page adds
// when it was. All of it is pure.

import { printable } from "./names";
import type { Described, LinkedDevice, Member, Transfer } from "./answers";

export type Mood = "good" | "busy" | "away" | "look" | "unknown";
export interface Said {
  mood: Mood;
  text: string;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

export function size(bytes: number): string {
  const units = ["KiB", "MiB", "GiB", "TiB"];
  if (bytes < 1024) return plural(bytes, "byte");
  let value = bytes;
  let unit = "";
  for (const next of units) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en")} ${unit}`;
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export function ago(at: number, now: number): string {
  const seconds = now - at;
  return seconds < 5 ? "just now" : `${duration(seconds)} ago`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** 2026-11-30 14:05, in the time of this browser. */
export function moment(at: number): string {
  return `${isoDay(at)} ${clock(at)}`;
}

export function clock(at: number): string {
  return CLOCK.format(new Date(at * 1000));
}

/** As long as people pause something for. */
export const HOUR_S = 3600;

/** Behind what is so for a time; nothing where no end is known. */
export function until(at: number | null | undefined): string {
  if (!at) return "";
  return ` until ${isoDay(at) === isoDay(Date.now() / 1000) ? clock(at) : moment(at)}`;
}

export function day(at: number): string {
  return DAY.format(new Date(at * 1000));
}

export function isoDay(at: number): string {
  const date = new Date(at * 1000);
  const two = (number: number): string => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** a, b and c */
export function listed(names: string[]): string {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}

/** In the same order wherever they stand. */
export function byName(members: Member[]): Member[] {
  return [...members].sort((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id));
}

/** The sentence of the daemon; while nothing is known, none of it counts. */
export function described(found: Described, isKnown: boolean): Said {
  return isKnown ? { mood: found.mood, text: printable(found.summary) } : { mood: "unknown", text: "not known now" };
}

/** How far a device is in a folder, as a sentence that begins behind its name. */
export function memberState(member: Member, device: LinkedDevice | undefined, now: number, isKnown: boolean): Said {
  const said = described(member, isKnown);
  if (member.connected || !isKnown) return said;
  if (device?.paused) return { mood: "unknown", text: `paused by you${until(device.paused_until)}` };
  const at = device?.last_seen ?? member.last_seen ?? null;
  return { ...said, text: `${said.text}, ${at === null ? "never seen" : `seen ${ago(at, now)}`}` };
}

export function transferState(transfer: Transfer): string {
  const done =
    transfer.bytes_total === null
      ? size(transfer.bytes_done)
      : `${size(transfer.bytes_done)} of ${size(transfer.bytes_total)}`;
  const rate = transfer.bytes_per_s > 0 ? `${size(transfer.bytes_per_s)}/s` : "";
  const left = transfer.seconds_left === null ? "" : `${duration(transfer.seconds_left)} left`;
  return [done, rate, left].filter(Boolean).join(", ");
}

export const ROLES: Record<string, string> = {
  admin: "may do everything, also let devices in and remove them",
  member: "reads and writes",
  reader: "only reads: what is changed there stays there",
};
