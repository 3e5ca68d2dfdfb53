// Everything at a glance: is it in sync, and if not, why; what is on its way; what waits for a person.

import { About } from "../parts/about";
import { isKnown, now, status, transfers } from "../live";
import type { Folder, LinkedDevice, Status } from "../answers";
import { post } from "../api";
import type { Mood } from "../words";
import { byName, described, memberState, plural, transferState } from "../words";
import { Act } from "../parts/act";
import { Sentence, Sign } from "../parts/mood";
import { Name, Path } from "../parts/name";
import { Decisions, WorthKnowing } from "./questions";
import { Notices } from "./notices";
import { Title } from "../parts/title";
import { printable } from "../names";
import { to } from "../route";

const MOST_TRANSFERS = 4;

export function Overview() {
  const found = status.value;
  if (!found) return <p class="starting">Asking yp2p…</p>;
  return (
    <>
      <Headline status={found} />
      <Transfers />
      <Decisions status={found} />
      {found.folders.length > 0 ? <Folders status={found} /> : <Beginning />}
      <WorthKnowing status={found} />
      <Notices />
    </>
  );
}

/** What a screen reader says when it changes: not each second that is left. */
const SPOKEN: Record<Mood, string> = {
  good: "In sync",
  busy: "Not in sync yet",
  away: "In sync with every connected device",
  look: "Something needs a look",
  unknown: "Not known whether it is in sync",
};

function Headline({ status }: { status: Status }) {
  const said = isKnown.value
    ? described(status, true)
    : { mood: "unknown" as const, text: "It is not known whether everything is in sync." };
  return (
    <section class={`headline ${said.mood}`} data-mood={said.mood}>
      <Sign mood={said.mood} />
      <Title text={said.text}>{said.text}</Title>
      <p class="unseen" role="status">
        {SPOKEN[said.mood]}
      </p>
    </section>
  );
}

function Folders({ status }: { status: Status }) {
  const devices = new Map(status.devices.map((device) => [device.id, device]));
  return (
    <section aria-labelledby="folders">
      <div class="section-head">
        <h2 id="folders">Folders</h2>
        <span class="buttons changing">
          <a class="button" href={to("share")}>
            Share a folder
          </a>
          <a class="button" href={to("join")}>
            Join another’s
          </a>
        </span>
      </div>
      <ul class="cards">
        {status.folders.map((folder) => (
          <FolderCard key={folder.id} folder={folder} devices={devices} />
        ))}
      </ul>
    </section>
  );
}

function FolderCard({ folder, devices }: { folder: Folder; devices: Map<string, LinkedDevice> }) {
  const said = described(folder, isKnown.value);
  return (
    <li class="card folder">
      <div class="about">
        <h3>
          <a href={to("folder", folder.id)}>
            <Name text={folder.label} />
          </a>
        </h3>
        <p>
          <Sentence said={said} />
        </p>
        <p class="quiet">
          {plural(folder.entries.here, "file")} in <Name text={folder.path} />
        </p>
        <Progress folder={folder} />
        {folder.paused && (
          <Act
            about={folder.label}
            onAct={async () => {
              await post("/v1/folder/unpause", { folder: folder.id });
              return `${printable(folder.label)} is synced again.`;
            }}
          >
            Resume
          </Act>
        )}
      </div>
      <ul class="members" aria-label={`Devices of ${folder.label}`}>
        {byName(folder.devices).map((member) => {
          const device = devices.get(member.id);
          const state = memberState(member, device, now.value, isKnown.value);
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
        <li class="add changing">
          <a href={to("folder", folder.id, "add")}>
            + Add a device
            <About text={folder.label} />
          </a>
        </li>
      </ul>
    </li>
  );
}

function Progress({ folder }: { folder: Folder }) {
  const { bytes_to_go: toGo, files_to_go: files } = folder.progress;
  if (!isKnown.value || (toGo === 0 && files === 0)) return null;
  const { total, to_fetch: toFetch } = folder.entries;
  return <progress max={Math.max(total, 1)} value={total - toFetch} aria-label={`Received of ${folder.label}`} />;
}

function Transfers() {
  if (!isKnown.value || transfers.value.length === 0) return null;
  return (
    <section aria-labelledby="transfers">
      <h2 id="transfers">On its way</h2>
      <ul class="cards transfers">
        {transfers.value.slice(0, MOST_TRANSFERS).map((one) => (
          <li key={JSON.stringify([one.device, one.folder, one.direction, one.kind, one.path])} class="card">
            <p>
              {one.direction === "sending" ? "To " : "From "}
              <Name text={one.device} />:{" "}
              {one.path ? (
                <>
                  <Name text={one.folder} /> / <Path text={one.path} />
                </>
              ) : (
                <>
                  {plural(one.files, one.kind === "texts" ? "text" : "file")} of <Name text={one.folder} />
                </>
              )}
            </p>
            {one.bytes_total === null ? (
              <progress aria-label="Under way" />
            ) : (
              <progress max={Math.max(1, one.bytes_total)} value={one.bytes_done} aria-label="Done" />
            )}
            <p class="quiet">{transferState(one)}</p>
          </li>
        ))}
      </ul>
      {transfers.value.length > MOST_TRANSFERS && (
        <p class="quiet">and {(transfers.value.length - MOST_TRANSFERS).toLocaleString("en")} more</p>
      )}
    </section>
  );
}

function Beginning() {
  return (
    <section class="beginning">
      <p>yp2p keeps folders the same on your devices. There are two ways to begin:</p>
      <ul class="cards">
        <li class="card">
          <h2>This device has the files</h2>
          <p>Share a folder, and let other devices in with a code.</p>
          <a class="button main changing" href={to("share")}>
            Share a folder
          </a>
        </li>
        <li class="card">
          <h2>Another device has them</h2>
          <p>Type the code that it shows, and the files come here.</p>
          <a class="button main changing" href={to("join")}>
            Join another’s folder
          </a>
        </li>
      </ul>
    </section>
  );
}
