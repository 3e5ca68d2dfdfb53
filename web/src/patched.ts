// What an event says of the status by itself counts before the status is asked for again. Pure.
//
// Only what is worse than it was: that all is well is said by the status alone.

import type { Described, Folder, Happening, Member, Status } from "./answers";
import type { Mood } from "./words";

// What is said until the daemon has said it in its own words, a moment later.
const CHANGED: Described = { mood: "busy", summary: "something has changed just now" };
const NOT_IN_SYNC: Described = { mood: "busy", summary: "Not in sync yet: something has changed just now." };

export function patched(status: Status, event: Happening): Status {
  if (event.kind === "sync" && event["in_sync"] === false) {
    const { in_sync, behind, condition, connected } = event as unknown as Member;
    return withMember(status, event, { in_sync, behind, condition, connected });
  }
  if (event.kind === "link" && event["connected"] === false) {
    const isAbout = (member: Member): boolean => member.id === event["device"] && member.connected;
    return status.folders
      .filter((folder) => folder.devices.some(isAbout))
      .reduce((all, { id }) => withMember(all, { ...event, folder: id }, { connected: false, in_sync: false }), status);
  }
  const isTroubled = event["state"] !== "idle" || event["problem"] !== "";
  if (event.kind === "folder" && event["change"] === "changed" && isTroubled) {
    const { state, problem, awaiting_confirmation } = event as unknown as Folder;
    const mood = problem || awaiting_confirmation ? "look" : "busy";
    const changed = (folder: Folder): Folder => ({ ...folder, state, problem, awaiting_confirmation });
    return withFolder(status, event["folder"], changed, mood);
  }
  return status;
}

function withMember(status: Status, event: Happening, fields: Partial<Member>): Status {
  return withFolder(status, event["folder"], (folder) => withDevice(folder, event["device"], fields));
}

function withFolder(status: Status, id: unknown, change: (folder: Folder) => Folder, mood: Mood = "busy"): Status {
  const worse = (folder: Folder): Folder => ({ ...change(folder), ...notGood(folder, { ...CHANGED, mood }) });
  const folders = status.folders.map((folder) => (folder.id === id ? worse(folder) : folder));
  return { ...status, ...notGood(status, { ...NOT_IN_SYNC, mood }), folders };
}

function withDevice(folder: Folder, id: unknown, fields: Partial<Member>): Folder {
  const worse = (member: Member): Member => ({ ...member, ...fields, ...notGood(member, CHANGED) });
  return { ...folder, devices: folder.devices.map((member) => (member.id === id ? worse(member) : member)) };
}

/** What takes the place of "in sync"; what is said of something else goes on to be said. */
function notGood(before: Described, after: Described): Partial<Described> {
  const isWorse = before.mood === "good" || before.mood === "away" || (before.mood === "busy" && after.mood === "look");
  return isWorse ? after : {};
}
