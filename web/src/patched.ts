// What an event says of the status by itself counts before the status is asked for again. Pure.
//
// Only what is worse than it was: that all is well is said by the status alone.

import type { Folder, Happening, Member, Status } from "./answers";

export function patched(status: Status, event: Happening): Status {
  if (event.kind === "sync" && event["in_sync"] === false) {
    const { in_sync, behind, condition, connected } = event as unknown as Member;
    return withMember(status, event, { in_sync, behind, condition, connected });
  }
  if (event.kind === "link" && event["connected"] === false) {
    const folders = status.folders.map((folder) =>
      withDevice(folder, event["device"], { connected: false, in_sync: false }),
    );
    return { ...status, folders };
  }
  const isTroubled = event["state"] !== "idle" || event["problem"] !== "";
  if (event.kind === "folder" && event["change"] === "changed" && isTroubled) {
    const { state, problem, awaiting_confirmation } = event as unknown as Folder;
    return withFolder(status, event["folder"], (folder) => ({ ...folder, state, problem, awaiting_confirmation }));
  }
  return status;
}

function withMember(status: Status, event: Happening, fields: Partial<Member>): Status {
  return withFolder(status, event["folder"], (folder) => withDevice(folder, event["device"], fields));
}

function withFolder(status: Status, id: unknown, change: (folder: Folder) => Folder): Status {
  return { ...status, folders: status.folders.map((folder) => (folder.id === id ? change(folder) : folder)) };
}

function withDevice(folder: Folder, id: unknown, fields: Partial<Member>): Folder {
  return { ...folder, devices: folder.devices.map((member) => (member.id === id ? { ...member, ...fields } : member)) };
}
