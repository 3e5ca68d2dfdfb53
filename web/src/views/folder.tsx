// One folder: its files, and everything else about it one click away.

import type { FunctionComponent } from "preact";
import { isKnown, now, status } from "../live";
import type { Folder } from "../answers";
import { HOUR_S, byName, described, memberState, plural } from "../words";
import { post } from "../api";
import { Act } from "../parts/act";
import { Sentence, Sign } from "../parts/mood";
import { Name } from "../parts/name";
import { Title } from "../parts/title";
import { to } from "../route";
import { mayWrite } from "../session";
import { AddDevice } from "./add-device";
import { Conflicts } from "./conflicts";
import { Files } from "./files";
import { FolderSettings } from "./folder-settings";
import { KeptHere } from "./kept-here";
import { OnThisDisk } from "./on-this-disk";
import { Moment } from "./moment";
import { Trash } from "./trash";

interface Part {
  name: string;
  View: FunctionComponent<{ folder: Folder }>;
  /** Not for a page that only looks. */
  changes?: boolean;
}

const PARTS: Record<string, Part> = {
  "": { name: "Files", View: Files },
  at: { name: "Restore", View: Moment, changes: true },
  conflicts: { name: "Conflicts", View: Conflicts },
  trash: { name: "Trash", View: Trash },
  here: { name: "On this disk", View: OnThisDisk, changes: true },
  add: { name: "Add a device", View: AddDevice, changes: true },
  more: { name: "More", View: FolderSettings, changes: true },
};

export function FolderView({ parts }: { parts: string[] }) {
  const [id = "", part = ""] = parts;
  const found = status.value;
  if (!found) return <p class="starting">Asking yp2p…</p>;
  const folder = found.folders.find((one) => one.id === id);
  const shown = PARTS[part];
  if (!folder || !shown) {
    return (
      <>
        <Title text="This folder is not here" />
        <p>
          It was left, or the address is wrong. <a href={to()}>To the overview</a>
        </p>
      </>
    );
  }
  const tabs = Object.entries(PARTS).filter(([, one]) => mayWrite.value || !one.changes);
  const conflicts = folder.entries.conflicts + folder.entries.places_to_settle;
  return (
    <>
      <FolderHead folder={folder} isWhole={part === ""} />
      <nav class="tabs" aria-label="Folder">
        {tabs.map(([key, { name }]) => (
          <a
            key={key}
            href={key ? to("folder", id, key) : to("folder", id)}
            aria-current={key === part ? "page" : undefined}
          >
            {key === "conflicts" && conflicts > 0 ? `${name} (${conflicts})` : name}
          </a>
        ))}
      </nav>
      <shown.View key={id} folder={folder} />
    </>
  );
}

function FolderHead({ folder, isWhole }: { folder: Folder; isWhole: boolean }) {
  const devices = new Map(status.value?.devices.map((device) => [device.id, device]));
  const isPaused = folder.paused;
  const said = described(folder, isKnown.value);
  return (
    <section class="stack">
      <div class="section-head">
        <Title text={folder.label} />
        <span class="buttons">
          <Act
            onAct={async () => {
              await post(isPaused ? "/v1/folder/unpause" : "/v1/folder/pause", { folder: folder.id });
              return isPaused
                ? "It is synced again."
                : "It is left alone until somebody presses Resume: it does not go on by itself.";
            }}
          >
            {isPaused ? "Resume" : "Pause"}
          </Act>
          {!isPaused && (
            <Act
              onAct={async () => {
                await post("/v1/folder/pause", { folder: folder.id, for_s: HOUR_S });
                return "It is left alone for an hour, and goes on by itself then.";
              }}
            >
              Pause for an hour
            </Act>
          )}
        </span>
      </div>
      <div class="folder-facts">
        <Sentence said={said} />
        <span class="quiet">
          {plural(folder.entries.here, "file")} in <Name text={folder.path} />
          {folder.is_reader && ". This device only reads it: what is changed here stays here"}
        </span>
      </div>
      <KeptHere folder={folder} />
      {isWhole && (
        <ul class="members">
          {byName(folder.devices).map((member) => {
            const state = memberState(member, devices.get(member.id), now.value, isKnown.value);
            return (
              <li key={member.id} class={state.mood}>
                <Sign mood={state.mood} />
                <span>
                  <a href={to("devices", member.id)}>
                    <Name text={member.name} />
                  </a>{" "}
                  <span class="state">{state.text}</span>
                </span>
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}
