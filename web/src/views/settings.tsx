// This device: its name, how fast it may send and receive, and the settings as they are.

import { useState } from "preact/hooks";
import { get, post } from "../api";
import { endStream, status } from "../live";
import { close } from "../session";
import { size } from "../words";
import { Act, Problem, useAct } from "../parts/act";
import { Answered, useAnswer } from "../parts/answer";
import { Name } from "../parts/name";
import { Title } from "../parts/title";
import { Words } from "../parts/words-of-daemon";
import { OneField } from "./folder-settings";

export function Settings() {
  const found = status.value;
  return (
    <>
      <Title text="Settings" />
      {found && (
        <section class="stack">
          <h2>This device</h2>
          <OneField
            key={found.device.name}
            label="Its name"
            value={found.device.name}
            does="Rename"
            hint="All other devices call this one so from then on."
            onAct={async (name) => {
              await post("/v1/device/rename", { device: found.device.id, name });
              return "Renamed.";
            }}
          />
          <dl class="facts">
            <dt>ID</dt>
            <dd class="mono">{found.device.id}</dd>
            <dt>Port</dt>
            <dd>{found.device.port}</dd>
            <dt>Version</dt>
            <dd>yp2p {found.version}</dd>
          </dl>
        </section>
      )}
      <Limits />
      <AllSettings />
      <section class="stack">
        <h2>This page</h2>
        <p>
          It is open for this tab only. It closes by itself when nobody uses it.{" "}
          <a href="LICENSES.txt">Licences of what it is made with</a>
        </p>
        <div class="buttons">
          <Act
            isHarmless
            onAct={async () => {
              endStream();
              try {
                await post("/v1/session/end");
              } finally {
                close("You have closed it.");
              }
            }}
          >
            Close this page
          </Act>
        </div>
      </section>
    </>
  );
}

interface LimitsAnswer {
  upload: number;
  download: number;
  set_here: boolean;
}

const MIB = 1024 * 1024;

function Limits() {
  const answer = useAnswer(
    "limits",
    () => get<LimitsAnswer>("/v1/limits"),
    () => false,
  );
  return (
    <section class="stack">
      <h2>Bandwidth</h2>
      <p>How fast files are sent and received, by all devices together. What you type never waits.</p>
      <Answered answer={answer}>
        {(limits) => <LimitsForm key={JSON.stringify(limits)} limits={limits} onChange={answer.reload} />}
      </Answered>
    </section>
  );
}

function LimitsForm({ limits, onChange }: { limits: LimitsAnswer; onChange: () => void }) {
  const [upload, setUpload] = useState(shown(limits.upload));
  const [download, setDownload] = useState(shown(limits.download));
  const { isActing, problem, act } = useAct();
  const isRight = [upload, download].every((one) => one.trim() === "" || Number(one) >= 0);
  return (
    <form
      class="narrow"
      onSubmit={(event) => {
        event.preventDefault();
        void act(async () => {
          await post("/v1/limits/set", { upload: bytes(upload), download: bytes(download) });
          onChange();
          return "This counts from now on.";
        });
      }}
    >
      <div class="row">
        <LimitField label="Sending, MiB a second" value={upload} onType={setUpload} />
        <LimitField label="Receiving, MiB a second" value={download} onType={setDownload} />
      </div>
      <p class="hint">
        Empty: no limit. Now: sending {rate(limits.upload)}, receiving {rate(limits.download)}
        {limits.set_here && ", set here and not only by the settings"}.
      </p>
      <Problem text={problem} />
      <div class="buttons">
        <button type="submit" disabled={!isRight} aria-busy={isActing}>
          Set
        </button>
        {limits.set_here && (
          <Act
            onAct={async () => {
              await post("/v1/limits/set", { reset: true });
              onChange();
              return "The settings count again.";
            }}
          >
            As the settings say
          </Act>
        )}
      </div>
    </form>
  );
}

function LimitField({ label, value, onType }: { label: string; value: string; onType: (value: string) => void }) {
  return (
    <label>
      {label}
      <input
        type="number"
        min="0"
        step="any"
        inputMode="decimal"
        value={value}
        onInput={(event) => onType(event.currentTarget.value)}
      />
    </label>
  );
}

function shown(bytesPerSecond: number): string {
  return bytesPerSecond === 0 ? "" : String(Math.round((bytesPerSecond / MIB) * 1000) / 1000);
}

function bytes(typed: string): number {
  return typed.trim() === "" ? 0 : Math.round(Number(typed) * MIB);
}

function rate(bytesPerSecond: number): string {
  return bytesPerSecond === 0 ? "without limit" : `${size(bytesPerSecond)} a second`;
}

interface SettingsAnswer {
  path: string;
  settings: {
    name: string;
    value: unknown;
    default: unknown;
    about: string;
    from_a_start: boolean;
    waits: boolean;
  }[];
}

function AllSettings() {
  const answer = useAnswer(
    "settings",
    () => get<SettingsAnswer>("/v1/settings"),
    () => false,
  );
  const [all, setAll] = useState(false);
  return (
    <section class="stack">
      <h2>All settings</h2>
      <Answered answer={answer}>
        {({ path, settings }) => {
          const listed = all
            ? settings
            : settings.filter((one) => JSON.stringify(one.value) !== JSON.stringify(one.default));
          return (
            <>
              <p>
                They stand in <Name text={path} />, where you can change them.
              </p>
              <label class="line">
                <input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
                Also those that are as they come
              </label>
              {listed.length === 0 && <p class="quiet">All are as they come.</p>}
              {listed.length > 0 && (
                <dl class="settings card">
                  {listed.map((one) => (
                    <div key={one.name}>
                      <dt>
                        <code>{one.name}</code> = <code>{written(one.value)}</code>
                      </dt>
                      <dd class="quiet">
                        <Words text={one.about} />
                        {one.waits && " The file says otherwise since the start: that counts from the next start."}
                      </dd>
                    </div>
                  ))}
                </dl>
              )}
              <div class="buttons">
                <Act
                  onAct={async () => {
                    const done = await post<{ applied: string[]; from_a_start: string[] }>("/v1/settings/reload");
                    answer.reload();
                    const later =
                      done.from_a_start.length > 0
                        ? ` From the next start of yp2p count: ${done.from_a_start.join(", ")}.`
                        : "";
                    return (
                      (done.applied.length > 0
                        ? `From now on count: ${done.applied.join(", ")}.`
                        : "Nothing has changed in the file.") + later
                    );
                  }}
                >
                  Read the file again
                </Act>
              </div>
            </>
          );
        }}
      </Answered>
    </section>
  );
}

function written(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : (JSON.stringify(value) ?? "");
}
