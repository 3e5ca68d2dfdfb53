// The rest of what can be done with a folder: its name, its place, what is ignored, how much room it takes, leaving it.

import { useState } from "preact/hooks";
import { post } from "../api";
import type { Folder } from "../answers";
import { plural, size } from "../words";
import { printable } from "../names";
import { Act, Problem, useAct } from "../parts/act";
import { Answered, useAnswer } from "../parts/answer";
import { Dialog } from "../parts/dialog";
import { Name } from "../parts/name";
import { Names } from "../parts/names-list";
import { go } from "../route";

export function FolderSettings({ folder }: { folder: Folder }) {
  return (
    <>
      <section class="stack">
        <h2>Name and place</h2>
        <OneField
          label="What it is called on this device"
          value={folder.label}
          does="Rename"
          onAct={async (label) => {
            await post("/v1/folder/rename", { folder: folder.id, label });
            return "Renamed.";
          }}
        />
        <OneField
          label="Its directory on this device"
          hint="The directory is moved there, or is there already because you moved it by hand."
          value={folder.path}
          does="Move"
          onAct={async (path) => {
            await post("/v1/folder/move", { folder: folder.id, path });
            return "Moved.";
          }}
        />
      </section>
      <Ignored folder={folder} />
      <Usage folder={folder} />
      <Leaving folder={folder} />
    </>
  );
}

interface OneFieldProps {
  label: string;
  value: string;
  does: string;
  hint?: string;
  onAct: (value: string) => Promise<string>;
}

export function OneField({ label, value, does, hint, onAct }: OneFieldProps) {
  const [typed, setTyped] = useState(value);
  const { isActing, problem, act } = useAct();
  return (
    <form
      class="narrow"
      onSubmit={(event) => {
        event.preventDefault();
        void act(() => onAct(typed));
      }}
    >
      <div class="row">
        <label>
          {label}
          <input
            type="text"
            value={typed}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </label>
        <button type="submit" disabled={typed === value || typed === ""} aria-busy={isActing}>
          {does}
        </button>
      </div>
      {hint && <p class="hint">{hint}</p>}
      <Problem text={problem} />
    </form>
  );
}

function Ignored({ folder }: { folder: Folder }) {
  const [typed, setTyped] = useState("");
  const { isActing, problem, act } = useAct();
  const answer = useAnswer(
    folder.id,
    () => post<{ here: string[]; settings: string[] }>("/v1/folder/ignore", { folder: folder.id }),
    (event) => event.kind === "folder" && event["folder"] === folder.id,
  );
  async function change(body: { add?: string[]; remove?: string[] }): Promise<void> {
    await post("/v1/folder/ignore", { folder: folder.id, ...body });
    answer.reload();
  }
  return (
    <section class="stack">
      <h2>Ignored on this device</h2>
      <p>
        Patterns as in <code>.gitignore</code>, for this device only; <code>.yp2pignore</code> in the folder is for all
        devices. Nothing is deleted anywhere.{" "}
        {folder.entries.ignored > 0 && `${plural(folder.entries.ignored, "file")} ignored here now.`}
      </p>
      <Answered answer={answer}>
        {({ here, settings }) => (
          <>
            {here.length + settings.length > 0 && (
              <ul class="lines">
                {here.map((pattern) => (
                  <li key={pattern}>
                    <code>
                      <Name text={pattern} />
                    </code>
                    <Act about={pattern} onAct={() => change({ remove: [pattern] })}>
                      Ignore no more
                    </Act>
                  </li>
                ))}
                {settings.map((pattern) => (
                  <li key={`s ${pattern}`}>
                    <span>
                      <code>
                        <Name text={pattern} />
                      </code>{" "}
                      <span class="quiet">by the settings</span>
                    </span>
                  </li>
                ))}
              </ul>
            )}
            <form
              class="narrow"
              onSubmit={(event) => {
                event.preventDefault();
                void act(async () => {
                  await change({ add: [typed] });
                  setTyped("");
                  return "Ignored here from now on.";
                });
              }}
            >
              <div class="row">
                <label>
                  Ignore also
                  <input
                    type="text"
                    value={typed}
                    placeholder="*.iso"
                    autocomplete="off"
                    spellcheck={false}
                    onInput={(event) => setTyped(event.currentTarget.value)}
                  />
                </label>
                <button type="submit" disabled={typed.trim() === ""} aria-busy={isActing}>
                  Ignore
                </button>
              </div>
              <Problem text={problem} />
            </form>
          </>
        )}
      </Answered>
    </section>
  );
}

interface UsageAnswer {
  folders: {
    entries: { texts: number; other_files: number; symlinks: number; empty_directories: number };
    file_bytes: number;
    not_here: { files: number; bytes: number };
    history: { changes: number; bytes: number };
    trash: { files: number | null; bytes: number | null; problem: string };
  }[];
}

function Usage({ folder }: { folder: Folder }) {
  const answer = useAnswer(
    folder.id,
    () => post<UsageAnswer>("/v1/folder/usage", { folder: folder.id }),
    () => false,
  );
  return (
    <section class="stack">
      <h2>Room</h2>
      <Answered answer={answer}>
        {({ folders: [one] }) =>
          one && (
            <dl class="facts">
              <dt>Files</dt>
              <dd>
                {size(one.file_bytes)} in {plural(one.entries.texts, "text")} and{" "}
                {plural(one.entries.other_files, "other file")}
              </dd>
              {one.not_here.files > 0 && (
                <>
                  <dt>Not on this disk</dt>
                  <dd>
                    {plural(one.not_here.files, "file")}, {size(one.not_here.bytes)}
                  </dd>
                </>
              )}
              <dt>History</dt>
              <dd>
                {plural(one.history.changes, "change")}, {size(one.history.bytes)}
              </dd>
              <dt>Trash</dt>
              <dd>
                {one.trash.files === null || one.trash.bytes === null
                  ? "not known: the directory is away"
                  : `${plural(one.trash.files, "file")}, ${size(one.trash.bytes)}`}
              </dd>
            </dl>
          )
        }
      </Answered>
    </section>
  );
}

interface LeaveAnswer {
  devices: string[];
  connected: string[];
  only_here: { files: number; bytes: number };
  trash: { files: number; bytes: number };
  problem: string;
}

function Leaving({ folder }: { folder: Folder }) {
  const [isAsking, setAsking] = useState(false);
  return (
    <section class="stack">
      <h2>Leave</h2>
      <p>This device takes part in the folder no more. Your files stay where they are, here and everywhere.</p>
      <div class="buttons">
        <button type="button" class="danger changing" onClick={() => setAsking(true)}>
          Leave the folder…
        </button>
      </div>
      {isAsking && <LeaveDialog folder={folder} onClose={() => setAsking(false)} />}
    </section>
  );
}

function LeaveDialog({ folder, onClose }: { folder: Folder; onClose: () => void }) {
  const answer = useAnswer(
    folder.id,
    () => post<LeaveAnswer>("/v1/folder/leave", { folder: folder.id, dry_run: true }),
    () => false,
  );
  return (
    <Dialog
      title={
        <>
          Leave <Name text={folder.label} />?
        </>
      }
      does="Leave"
      kind="danger"
      isReady={answer.value !== undefined}
      onClose={onClose}
      onAct={async () => {
        await post("/v1/folder/leave", { folder: folder.id });
        go();
        return `This device has left ${printable(folder.label)}. The files stay where they are.`;
      }}
    >
      <Answered answer={answer}>
        {(plan) => (
          <>
            <p>
              The files in <Name text={folder.path} /> stay. Their history, and the trash (
              {plural(plan.trash.files, "file")}), are removed from this device.
            </p>
            {plan.only_here.files > 0 && (
              <p class="problem">
                {plural(plan.only_here.files, "file")} ({size(plan.only_here.bytes)}) may be on no other device.
              </p>
            )}
            {plan.devices.length > 0 && (
              <p>
                Other devices: <Names of={plan.devices} />.
              </p>
            )}
            {plan.problem && (
              <p>
                <Name text={plan.problem} />
              </p>
            )}
          </>
        )}
      </Answered>
    </Dialog>
  );
}
