// Who takes part: each device with what it may do, whether it is connected and why not, and what can be done with it.

import { About } from "../parts/about";
import { useState } from "preact/hooks";
import { get, post } from "../api";
import { isKnown, now, status } from "../live";
import type { KnownDevice } from "../answers";
import { HOUR_S, ago, described, moment, plural, size, until } from "../words";
import { printable } from "../names";
import { Act } from "../parts/act";
import { Answered, useAnswer } from "../parts/answer";
import { Dialog } from "../parts/dialog";
import { Sentence, Sign } from "../parts/mood";
import { Name } from "../parts/name";
import { Names } from "../parts/names-list";
import { RoleChoice } from "../parts/role-choice";
import { Title } from "../parts/title";
import { Words } from "../parts/words-of-daemon";
import { to } from "../route";
import type { Said } from "../words";

type Place = KnownDevice["folders"][number];

const RENEWS = new Set(["device", "link", "member", "sync", "folder", "daemon"]);
const ROLES = new Set(["admin", "member", "reader"]);

export function Devices({ parts }: { parts: string[] }) {
  const [only = ""] = parts;
  const answer = useAnswer(
    "devices",
    () => get<KnownDevice[]>("/v1/devices"),
    (event) => RENEWS.has(event.kind),
  );
  return (
    <>
      <Title text="Devices" />
      {!only && <AddTo />}
      <Answered answer={answer}>
        {(devices) => {
          const shown = only ? devices.filter((one) => one.id === only) : devices.filter(takesPart);
          const gone = only ? [] : devices.filter((one) => !takesPart(one));
          return (
            <>
              {only && (
                <p>
                  <a href={to("devices")}>All devices</a>
                </p>
              )}
              {shown.length === 0 && <p>There is no such device.</p>}
              <ul class="cards">
                {shown.map((device) => (
                  <DeviceCard key={device.id} device={device} onChange={answer.reload} />
                ))}
              </ul>
              {!only && shown.length === 1 && <p>No other device takes part yet.</p>}
              {gone.length > 0 && (
                <details>
                  <summary>Removed: {gone.length}</summary>
                  <ul class="cards">
                    {gone.map((device) => (
                      <DeviceCard key={device.id} device={device} onChange={answer.reload} />
                    ))}
                  </ul>
                </details>
              )}
            </>
          );
        }}
      </Answered>
    </>
  );
}

/** A device is let into a folder. */
function AddTo() {
  const folders = status.value?.folders ?? [];
  if (folders.length === 0) {
    return (
      <p class="changing">
        <a href={to()}>Share a folder or join one</a>: then a device can be added to it.
      </p>
    );
  }
  return (
    <div class="buttons middle changing">
      <span>Add a device to the folder</span>
      {folders.map((folder) => (
        <a key={folder.id} class="button" href={to("folder", folder.id, "add")}>
          <span>
            + <Name text={folder.label} />
          </span>
        </a>
      ))}
    </div>
  );
}

function takesPart(device: KnownDevice): boolean {
  return device.is_this_device || device.folders.some((folder) => ROLES.has(folder.role));
}

function state(device: KnownDevice, at: number): Said {
  if (device.is_this_device) return { mood: "good", text: "this device" };
  if (!takesPart(device)) return { mood: "unknown", text: "takes part no more" };
  if (!isKnown.value) return { mood: "unknown", text: "not known now" };
  if (device.connected) return { mood: "good", text: "connected" };
  if (device.paused) {
    const ends = until(device.paused_until) || " until you resume it";
    return { mood: "unknown", text: `paused by you: no connection${ends}` };
  }
  const seen = device.last_seen === null ? "never seen" : `seen ${ago(device.last_seen, at)}`;
  return { mood: "unknown", text: `not connected, ${seen}` };
}

type Question = { kind: "rename" } | { kind: "remove" } | { kind: "role"; place: Place } | null;

function DeviceCard({ device, onChange }: { device: KnownDevice; onChange: () => void }) {
  const [question, setQuestion] = useState<Question>(null);
  const close = (): void => setQuestion(null);
  const isMember = takesPart(device);
  return (
    <li class="card">
      <h2>
        <Name text={device.name} />
      </h2>
      <p>
        <Sentence said={state(device, now.value)} />
      </p>
      {device.reason && !device.paused && isMember && (
        <p class="quiet">
          Why: <Words text={device.reason} />
        </p>
      )}
      <ul class="places" aria-label={`Folders of ${printable(device.name)}`}>
        {device.folders.map((place) => (
          <li key={place.id}>
            <PlaceLine
              device={device}
              place={place}
              onRole={() => setQuestion({ kind: "role", place })}
              onChange={onChange}
            />
          </li>
        ))}
      </ul>
      <details>
        <summary>More about it</summary>
        <dl class="facts">
          <dt>ID</dt>
          <dd class="mono">{device.id}</dd>
          <dt>Version</dt>
          <dd>{device.version ? `yp2p ${printable(device.version)}` : "not known"}</dd>
          {device.address && (
            <>
              <dt>Address</dt>
              <dd>{device.address}</dd>
            </>
          )}
          {device.last_seen !== null && (
            <>
              <dt>Seen last</dt>
              <dd>{moment(device.last_seen)}</dd>
            </>
          )}
          {device.known_since !== null && (
            <>
              <dt>Known since</dt>
              <dd>{moment(device.known_since)}</dd>
            </>
          )}
        </dl>
      </details>
      {isMember && (
        <div class="buttons changing">
          <button type="button" onClick={() => setQuestion({ kind: "rename" })}>
            Rename…
            <About text={device.name} />
          </button>
          {!device.is_this_device && (
            <>
              <Act
                about={device.name}
                onAct={async () => {
                  await post(device.paused ? "/v1/device/unpause" : "/v1/device/pause", { device: device.id });
                  onChange();
                  return device.paused ? "It may connect again." : "No connection with it until you resume it.";
                }}
              >
                {device.paused ? "Resume" : "Pause"}
              </Act>
              {!device.paused && (
                <Act
                  about={device.name}
                  onAct={async () => {
                    await post("/v1/device/pause", { device: device.id, for_s: HOUR_S });
                    onChange();
                    return "No connection with it for an hour.";
                  }}
                >
                  Pause for an hour
                </Act>
              )}
              <button type="button" class="danger" onClick={() => setQuestion({ kind: "remove" })}>
                Remove…
                <About text={device.name} />
              </button>
            </>
          )}
        </div>
      )}
      {question?.kind === "rename" && <RenameDialog device={device} onClose={close} onChange={onChange} />}
      {question?.kind === "remove" && <RemoveDialog device={device} onClose={close} onChange={onChange} />}
      {question?.kind === "role" && (
        <RoleDialog device={device} place={question.place} onClose={close} onChange={onChange} />
      )}
    </li>
  );
}

interface PlaceProps {
  device: KnownDevice;
  place: Place;
  onRole: () => void;
  onChange: () => void;
}

function roleText(place: Place): string {
  if (place.role === "void") return "let in by a device that may not do that any more";
  return place.removed_by?.length === 0 ? "left by itself" : place.role;
}

function PlaceLine({ device, place, onRole, onChange }: PlaceProps) {
  const isMember = ROLES.has(place.role);
  const { summary, mood } = place;
  const said = summary !== undefined && mood && isKnown.value ? described({ summary, mood }, true) : null;
  return (
    <>
      {said && <Sign mood={said.mood} />}
      <span>
        <a href={to("folder", place.id)}>
          <Name text={place.folder} />
        </a>
        : {roleText(place)}
        {said && <span class="quiet">, {said.text}</span>}
        {place.let_in_by && (
          <span class="quiet">
            , let in by <Name text={place.let_in_by} />
          </span>
        )}
        {(place.removed_by?.length ?? 0) > 0 && (
          <span class="quiet">, by {place.removed_by?.map(printable).join(", ")}</span>
        )}
      </span>
      {isMember && !device.is_this_device && (
        <button type="button" class="plain changing" onClick={onRole}>
          Change…
          <About text={`${device.name}, ${place.folder}`} />
        </button>
      )}
      {place.role === "void" && (
        <Act
          onAct={async () => {
            await post("/v1/device/readmit", { device: device.id, folder: place.id });
            onChange();
            return "It is in again.";
          }}
        >
          Let it in again
        </Act>
      )}
    </>
  );
}

interface QuestionProps {
  device: KnownDevice;
  onClose: () => void;
  onChange: () => void;
}

function RenameDialog({ device, onClose, onChange }: QuestionProps) {
  const [name, setName] = useState(device.name);
  return (
    <Dialog
      title={
        <>
          Rename <Name text={device.name} />
        </>
      }
      does="Rename"
      isReady={device.is_this_device ? name.trim() !== "" : true}
      onClose={onClose}
      onAct={async () => {
        const found = await post<{ name: string }>("/v1/device/rename", { device: device.id, name });
        onChange();
        return `It is called ${printable(found.name)} now.`;
      }}
    >
      <label>
        Name
        <input type="text" value={name} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <p class="hint">
        {device.is_this_device
          ? "All other devices call this one so from now on."
          : "On this device only. An empty name gives it the name again that it has itself."}
      </p>
    </Dialog>
  );
}

function RoleDialog({ device, place, onClose, onChange }: QuestionProps & { place: Place }) {
  const [role, setRole] = useState(place.role);
  return (
    <Dialog
      title={
        <>
          What <Name text={device.name} /> may do in <Name text={place.folder} />
        </>
      }
      does="Change"
      isReady={role !== place.role}
      onClose={onClose}
      onAct={async () => {
        await post("/v1/device/role", { device: device.id, role, folder: place.id });
        onChange();
        return `${printable(device.name)} is ${role} in ${printable(place.folder)}.`;
      }}
    >
      <RoleChoice role={role} onChoose={setRole} legend="Role" />
      {place.role === "reader" && role !== "reader" && (
        <p>What was changed there while it only read goes to all devices then.</p>
      )}
    </Dialog>
  );
}

interface Failed {
  folder: string;
  reason: string;
}

interface Removal {
  failed: Failed[];
  invites: number;
  let_in: string[];
  nowhere_else: { folder: string; files: number; bytes: number; paths: string[] }[];
}

function RemoveDialog({ device, onClose, onChange }: QuestionProps) {
  const places = device.folders.filter((place) => ROLES.has(place.role));
  const [folder, setFolder] = useState("");
  const [withLetIn, setWithLetIn] = useState(false);
  const where = folder ? { folder } : {};
  const answer = useAnswer(
    `${device.id} ${folder}`,
    () => post<Removal>("/v1/device/remove/preview", { device: device.id, ...where }),
    () => false,
  );
  const [isSure, setSure] = useState(false);
  return (
    <Dialog
      title={
        <>
          Remove <Name text={device.name} />?
        </>
      }
      does="Remove it"
      kind="danger"
      isReady={isSure && (answer.value !== undefined || answer.problem !== "")}
      onClose={onClose}
      onAct={async () => {
        const done = await post<{ folders: string[]; failed: Failed[] }>("/v1/device/remove", {
          device: device.id,
          ...where,
          with_let_in: withLetIn && (answer.value?.let_in.length ?? 0) > 0,
        });
        onChange();
        const left = done.failed.map((one) => ` Not out of ${printable(one.folder)}: ${printable(one.reason)}.`);
        return `${printable(device.name)} takes part no more in ${done.folders.map(printable).join(", ")}.${left.join("")}`;
      }}
    >
      <p>
        Its folders here: <Names of={places.map((place) => place.folder)} />
      </p>
      <ul class="meaning">
        <li>It gets nothing new from now on, and nothing that is changed there arrives here or anywhere.</li>
        <li>It keeps the files that it has: removing does not delete anything there.</li>
        <li>It can come back only if somebody lets it in with a new code.</li>
      </ul>
      {places.length > 1 && (
        <label>
          Of
          <select value={folder} onChange={(event) => setFolder(event.currentTarget.value)}>
            <option value="">all {places.length} folders</option>
            {places.map((place) => (
              <option key={place.id} value={place.id}>
                {printable(place.folder)} only
              </option>
            ))}
          </select>
        </label>
      )}
      <Answered answer={answer}>
        {({ nowhere_else: only, let_in: letIn, failed, invites }) => (
          <>
            {failed.map((one) => (
              <p key={one.folder} class="problem">
                It stays in <Name text={one.folder} />: {printable(one.reason)}
              </p>
            ))}
            {invites > 0 && <p>{plural(invites, "invite")} of this device will let nobody in any more.</p>}
            {letIn.length > 0 && (
              <label class="line">
                <input
                  type="checkbox"
                  checked={withLetIn}
                  onChange={(event) => setWithLetIn(event.currentTarget.checked)}
                />
                <span>
                  Remove as well whom nobody but it has let in: <Names of={letIn} />
                </span>
              </label>
            )}
            {only.map((one) => (
              <p key={one.folder} class="problem">
                {plural(one.files, "file")} of <Name text={one.folder} /> ({size(one.bytes)}) may be on no other disk
                than its own: {one.paths.slice(0, 3).map(printable).join(", ")}
                {one.files > 3 && " and more"}
              </p>
            ))}
          </>
        )}
      </Answered>
      <label class="line">
        <input type="checkbox" checked={isSure} onChange={(event) => setSure(event.currentTarget.checked)} />
        Yes, remove it
      </label>
    </Dialog>
  );
}
