// How things are, in sentences; and numbers, sizes and times as people say them. All of it is pure.

import { named, printable } from "./names";
import type { Folder, LinkedDevice, Member, Status, Transfer } from "./answers";

export type Mood = "good" | "busy" | "look" | "unknown";
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

function connected(folder: Folder): Member[] {
  return folder.devices.filter((member) => member.connected);
}

/** Whether its problem keeps it from being synced; others only say what is not as it could be. */
function isStopped(folder: Folder): boolean {
  return folder.problem !== "" && (folder.state === "paused" || connected(folder).length === 0);
}

function isReceiving(folder: Folder): boolean {
  return folder.progress.files_to_go > 0 || folder.progress.bytes_to_go > 0;
}

function isBusy(folder: Folder): boolean {
  return isReceiving(folder) || folder.state !== "idle" || connected(folder).some((member) => !member.in_sync);
}

/** Whether everything is in sync, and if not, why: the first line of the page. */
export function summary(status: Status): Said {
  const { folders } = status;
  if (status.store.problem)
    return { mood: "look", text: `The store has a problem: ${printable(status.store.problem)}` };
  if (folders.length === 0) return { mood: "unknown", text: "Nothing is shared yet." };
  const asking = folders.filter((folder) => folder.awaiting_confirmation);
  if (asking.length > 0) {
    return { mood: "look", text: `Not in sync: ${labels(asking)} waits for your decision.` };
  }
  const stopped = folders.find((folder) => folder.state === "paused" || isStopped(folder));
  if (stopped)
    return { mood: "look", text: `Not in sync: ${named(stopped.label)}: ${printable(stopped.problem) || "paused"}.` };
  const busy = folders.filter(isBusy);
  if (busy[0]) return { mood: "busy", text: `Not in sync yet: ${named(busy[0].label)}: ${folderState(busy[0]).text}.` };
  const alone = folders.filter((folder) => connected(folder).length === 0);
  if (alone.length > 0) {
    return {
      mood: "look",
      text: `No other device is connected for ${labels(alone)}: it is on this device only, as far as is known.`,
    };
  }
  const away = [
    ...new Set(folders.flatMap((one) => one.devices.filter((d) => !d.connected).map((d) => d.name))),
  ].sort();
  if (away.length > 0) {
    return { mood: "good", text: `In sync with every connected device. Not connected: ${listed(away.map(named))}.` };
  }
  return { mood: "good", text: "In sync: all folders are the same on all devices." };
}

function labels(folders: Folder[]): string {
  return listed(folders.map((folder) => named(folder.label)));
}

/** How a folder is doing, in some words. */
export function folderState(folder: Folder): Said {
  if (folder.awaiting_confirmation) return { mood: "look", text: "waits for your decision" };
  if (folder.state === "paused") return { mood: "look", text: printable(folder.problem) || "paused" };
  if (isStopped(folder)) return { mood: "look", text: printable(folder.problem) };
  if (isReceiving(folder)) return { mood: "busy", text: `receiving ${toGo(folder)}` };
  if (folder.state === "scanning") return { mood: "busy", text: "looking at the files" };
  if (folder.state !== "idle" && folder.state !== "working") return { mood: "busy", text: folder.state };
  if (folder.devices.length === 0) return { mood: "look", text: "on no other device yet" };
  const there = connected(folder);
  if (there.length === 0) return { mood: "look", text: "no other device is connected" };
  const behind = there.filter((member) => !member.in_sync);
  if (behind.length > 0)
    return { mood: "busy", text: `sending to ${listed(behind.map((member) => named(member.name)))}` };
  if (folder.state !== "idle") return { mood: "busy", text: "working" };
  return { mood: "good", text: `in sync with ${listed(there.map((member) => named(member.name)))}` };
}

function toGo(folder: Folder): string {
  const { files_to_go: files, bytes_to_go: bytes, seconds_left: left } = folder.progress;
  const parts = [files > 0 ? plural(files, "file") : "", bytes > 0 ? size(bytes) : ""].filter(Boolean).join(", ");
  return left === null ? parts : `${parts}, ${duration(left)} left`;
}

/** How far a device is in a folder, as a sentence that begins behind its name. */
export function memberState(member: Member, device: LinkedDevice | undefined, now: number): Said {
  const behind = member.behind ? `${plural(member.behind, "file")} behind` : "";
  if (!member.connected) {
    if (device?.paused) return { mood: "unknown", text: "paused by you" };
    const at = device?.last_seen ?? member.last_seen ?? null;
    const seen = at === null ? "never seen" : `seen ${ago(at, now)}`;
    return { mood: "unknown", text: `${printable(member.summary ?? "not connected")}, ${seen}` };
  }
  if (member.condition) return { mood: "look", text: [printable(member.condition), behind].filter(Boolean).join(", ") };
  if (member.in_sync) return { mood: "good", text: "has all of it" };
  return { mood: "busy", text: behind || "comparing" };
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
